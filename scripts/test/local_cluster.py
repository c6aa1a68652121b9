"""Runs scripts/k8s-local.sh with stand-ins for the programs that it calls, which write down how they were called, and compares
that. There is no Kubernetes in it: it shows which commands are run in which order, and what the script says when there is
something missing. `scripts/test.sh manifests` calls it.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SCRIPT = CHECKOUT / "scripts" / "k8s-local.sh"
IMAGE = "docker.io/library/spindrift:0.1.0"
LIMIT_SECONDS = 30

# What the scripts take from the system; everything else is a stand-in or missing.
SYSTEM = "awk bash cat cksum cut date dirname env git grep head id mkdir mktemp rm sed seq sleep tail".split()

# Answers for what is asked; whatever is not asked here succeeds in silence. `$STATE` has the files that say what there is.
KUBECTL = """
case "$*" in
version*|kustomize*) exec "$REAL_KUBECTL" "$@" ;;
*"get deployment"*jsonpath*) echo 3 ;;
*"get deployment"*) [[ -e $STATE/deployment ]] ;;
*"get nodes"*) cat "$STATE/nodes" ;;
*"get pods --all-namespaces"*) cat "$STATE/pods" ;;
*port-forward*) exec sleep 600 ;;
esac
"""
CLUSTER = """
case "$*" in
"cluster get"*|status*) [[ -e $STATE/cluster ]] ;;
"get nodes"*) [[ ! -e $STATE/cluster ]] || echo spindrift-control-plane ;;
esac
"""
# There is an answer once somebody forwards the port.
CURL = """grep --quiet port-forward "$STATE/calls\""""
DOCKER = """[[ $1 != info || ! -e $STATE/no-daemon ]]"""

EXPECTED = {
    "k3d": ["k3d cluster create spindrift", "k3d image import ARCHIVE --cluster spindrift", "k3d-spindrift"],
    "kind": ["kind create cluster --name spindrift", "kind load image-archive ARCHIVE --name spindrift", "kind-spindrift"],
    "minikube": ["minikube start --profile spindrift", "minikube image load ARCHIVE --profile spindrift", "spindrift"],
}
SAVED = {
    "docker": f"docker save --output ARCHIVE {IMAGE}",
    "podman": f"podman save --output ARCHIVE {IMAGE}",
    "buildah": f"buildah push {IMAGE} docker-archive:ARCHIVE:{IMAGE}",
}


# What kubectl says of a cluster's nodes (name, CPU, memory, effects of taints) and of its pods (node, namespace, requests).
LARGE = "node a 8 16303428Ki \n", "pod a kube-system 100m,70Mi\npod a kube-system ,\n"
# As kind and minikube have it on a machine of 2 CPUs.
LAPTOP = "node a 2 8145180Ki \n", "".join(f"pod a kube-system {cpu}m,100Mi\n" for cpu in (250, 200, 100, 100, 100, 100, 100))


class Machine:
    """A machine that has these programs and this state, and a cluster with these nodes and pods."""

    def __init__(self, folder: Path, programs: list[str], state: list[str], cluster: tuple[str, str] = LARGE):
        self.calls = folder / "calls"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.env = {"PATH": str(self.bin), "HOME": str(folder), "STATE": str(folder), "REAL_KUBECTL": shutil.which("kubectl")}
        for name in SYSTEM:
            (self.bin / name).symlink_to(shutil.which(name))
        answers = {"kubectl": KUBECTL, "curl": CURL, "docker": DOCKER} | dict.fromkeys(EXPECTED, CLUSTER)
        for name in ["kubectl", "curl", *programs]:
            stand_in = self.bin / name
            stand_in.write_text(f'#!{shutil.which("bash")}\necho "{name} $*" >>"{self.calls}"\n{answers.get(name, "")}')
            stand_in.chmod(0o755)
        for name in state:
            (folder / name).touch()
        for name, text in zip(("nodes", "pods"), cluster):
            (folder / name).write_text(text)

    def run(self, until: str | None = None, all_of_it: bool = False) -> tuple[int, str]:
        """The script's exit code and what it says. Once it has said `until` it is told to stop: alone, or with all that it has
        started, as Ctrl-C does.
        """
        process = subprocess.Popen(
            [SCRIPT], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        said = ""
        signal.signal(signal.SIGALRM, expired)
        signal.alarm(LIMIT_SECONDS)
        try:
            for line in process.stdout:
                said += line
                if until and line.startswith(until):
                    if all_of_it:
                        os.killpg(process.pid, signal.SIGINT)
                    else:
                        process.terminate()
            code = process.wait()
            self.left_over = alive(process.pid)
            return code, said
        finally:
            signal.alarm(0)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def called(self) -> list[str]:
        """The calls, with the archive's name, which is another one each time, as ARCHIVE."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        archives = {word for line in lines for word in line.replace(":", " ").split() if word.endswith("/image.tar")}
        for archive in archives:
            lines = [line.replace(archive, "ARCHIVE") for line in lines]
        return lines


def expired(*_) -> None:
    raise AssertionError(f"it goes on after {LIMIT_SECONDS} s")


def alive(group: int) -> bool:
    """Whether there still is a process of the group a moment from now: the script ends its children without waiting."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    os.killpg(group, signal.SIGKILL)
    return True


def in_order(wanted: list[str], calls: list[str]) -> str | None:
    """The first of the calls that was not made after the ones before it."""
    rest = iter(calls)
    return next((want for want in wanted if not any(call.startswith(want) for call in rest)), None)


def installs(folder: Path, tool: str, builder: str, state: list[str]) -> None:
    machine = Machine(folder, [tool, builder], state)
    code, said = machine.run("delete:", all_of_it="cluster" in state)
    create, load, context = EXPECTED[tool]
    kubectl = f"kubectl --context {context} --namespace spindrift"
    wanted = [] if "cluster" in state else [create]
    wanted += [f"{builder} build", SAVED[builder], load, f"{kubectl} apply --kustomize {CHECKOUT}/k8s/overlays/deployment"]
    wanted += [f"{kubectl} {'rollout restart' if 'deployment' in state else 'scale'} deployment/spindrift"]
    wanted += [f"{kubectl} rollout status", f"{kubectl} port-forward service/spindrift 3000:80"]
    calls = machine.called()
    missing = in_order(wanted, calls)
    assert missing is None, f"'{missing}' is not called in its turn: {calls}; it says: {said}"
    if "cluster" in state:
        assert create not in "\n".join(calls), "a cluster is made over the one that is there"
    if "deployment" not in state:
        assert "rollout restart" not in "\n".join(calls), "new pods are replaced at once"
    assert f"--tag {IMAGE}" in "\n".join(calls), f"the image has another name: {calls}"
    assert code == 0, f"it ends with {code} when it is told to stop: {said}"
    assert not machine.left_over, "the forwarding goes on when the script has ended"
    assert "http://127.0.0.1:3000" in said and "curl -X PUT http://127.0.0.1:3000/put" in said, f"no address: {said}"


def refuses(folder: Path, programs: list[str], state: list[str], reason: str) -> None:
    machine = Machine(folder, programs, state)
    code, said = machine.run()
    assert code != 0 and reason in said, f"it ends with {code} and says {said!r} instead of {reason!r}"
    assert not any("apply" in call for call in machine.called()), "it goes on all the same"


def requests(folder: Path, cluster: tuple[str, str], cpu: str, memory: str) -> None:
    """The pods request as much as there is room for; what k8s/ says, where that is enough."""
    machine = Machine(folder, ["kind", "docker"], ["cluster"], cluster)
    code, said = machine.run("delete:")
    assert code == 0, f"it ends with {code}: {said}"
    (applied,) = [call.split()[-1] for call in machine.called() if "apply --kustomize" in call]
    command = [machine.env["REAL_KUBECTL"], "kustomize", applied]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    lines = [line.strip() for line in result.stdout.splitlines()]
    at = lines.index("requests:")
    assert lines[at + 1 : at + 3] == [f"cpu: {cpu}", f"memory: {memory}"], f"they request {lines[at + 1 : at + 3]}: {said}"
    own = applied == str(CHECKOUT / "k8s" / "overlays" / "deployment")
    assert own == ((cpu, memory) == ("500m", "1Gi")), f"{applied} is applied"
    assert own or f"{cpu} CPU and {memory}" in said, f"it does not say what they request: {said}"


def has_no_room(folder: Path, cluster: tuple[str, str], left: str) -> None:
    machine = Machine(folder, ["kind", "docker"], ["cluster"], cluster)
    code, said = machine.run()
    assert code != 0 and left in said and "50m CPU and 256Mi" in said, f"it ends with {code}: {said}"
    assert not any("apply" in call for call in machine.called()), "it goes on all the same"


def main() -> int:
    cases = [(f"{tool} with docker", installs, tool, "docker", []) for tool in EXPECTED]
    cases += [(f"k3d with {builder}", installs, "k3d", builder, []) for builder in ("podman", "buildah")]
    cases += [
        ("again", installs, "kind", "docker", ["cluster", "deployment"]),
        ("no cluster tool", refuses, ["docker"], [], "k3d, kind or minikube, and none of them is here"),
        ("no builder", refuses, ["k3d"], [], "docker, podman or buildah, and none of them can be used"),
        ("no daemon", refuses, ["k3d", "docker"], ["no-daemon"], "its daemon does not answer"),
    ]
    nodes, pods = LAPTOP
    control_plane = "node c 2 4045180Ki NoSchedule\nnode a 2 4045180Ki \nnode b 2 4045180Ki \n"
    cases += [
        ("a laptop", requests, LAPTOP, "250m", "1024Mi"),
        ("its own pods", requests, (nodes, pods + "pod a spindrift 500m,1Gi\n" * 3), "250m", "1024Mi"),
        ("little memory", requests, ("node a 4 3921464Ki \n", pods), "500m", "768Mi"),
        ("no memory request", requests, ("node a 4 5Gi \n", "pod a kube-system 500m,\n"), "500m", "1Gi"),
        ("two workers", requests, (control_plane, "pod c kube-system 950m,290Mi\npod a x 800m,\npod b x 1100m,\n"), "400m", "1024Mi"),
        ("no room", has_no_room, ("node a 1 2000Mi \n", pods), "a has 50m and 1300Mi left"),
        ("no node", has_no_room, ("", ""), "there is room for 0"),
    ]
    for name, case, *arguments in cases:
        with tempfile.TemporaryDirectory(prefix="spindrift-local-") as folder:
            try:
                case(Path(folder), *arguments)
            except AssertionError as failure:
                print(f"scripts/k8s-local.sh, {name}: {failure}", file=sys.stderr)
                return 1
    print(f"scripts/k8s-local.sh does what it should in {len(cases)} cases")
    return 0


if __name__ == "__main__":
    sys.exit(main())

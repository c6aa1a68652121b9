"""Runs what the Dockerfile's final stage would be, without a container engine: puts its root file system together from its
COPY lines, mounts it read-only, and starts its entry point in it, as its user and with its environment. Three times: as it
is, as the Deployment of k8s/ runs it, and as SpinKube's operator does. Each has to serve, and to end with 0 on SIGTERM.

    unshare --net --mount --propagation private image.py TARGET_FOLDER

TARGET_FOLDER is cargo's, with a debug build of the host. The namespaces are of its own, so that the ports are free and the
mounts end with it. `scripts/test.sh image` calls it.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dockerfile
import overlay
import spin_operator
from overlay import CHECKOUT

READY_SECONDS = 120
END_SECONDS = 60
# As long as that of a service account may get, with a long name of a namespace and a large key.
TOKEN = "a-token." * 187

# Of those that gcr.io/distroless/cc has, the ones that a Rust program may be linked to.
LIBRARIES = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1"}


@dataclass
class Run:
    """One way to start a container of the image."""

    name: str
    port: int
    live: str
    ready: str
    arguments: list[str] | None = None
    env: dict[str, str] = field(default_factory=dict)
    # What is mounted into it: a file's text, or None for an empty folder that can be written to.
    mounts: dict[str, str | None] = field(default_factory=dict)


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def context() -> list[Path]:
    """What the build sees of the checkout, by .dockerignore."""
    lines = (CHECKOUT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    if patterns[0] != "*" or not all(pattern.startswith("!") for pattern in patterns[1:]):
        raise ValueError(".dockerignore is not a list of what is let in")
    return [CHECKOUT / pattern[1:] for pattern in patterns[1:]]


def check_manifests_stage(stages: list[dockerfile.Stage], scratch: Path) -> None:
    """What that stage leaves has to be the same packages to cargo, or the layer of dependencies would be of others."""
    (stage,) = (stage for stage in stages if stage.name == "manifests")
    (recipe,) = stage.all("RUN")
    folder = scratch / "manifests"
    folder.mkdir()
    for path in context():
        shutil.copytree(path, folder / path.name) if path.is_dir() else shutil.copy(path, folder)
    subprocess.run(["sh", "-c", recipe], cwd=folder, check=True, timeout=60)

    def packages(root: Path) -> set[tuple[str, str]]:
        command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path", root / "Cargo.toml"]
        found = json.loads(run(*command))["packages"]
        kinds = ("lib", "cdylib", "bin", "custom-build")
        return {
            (package["name"], kind)
            for package in found
            for target in package["targets"]
            for kind in target["kind"]
            if kind in kinds
        }

    left, all_of_them = packages(folder), packages(CHECKOUT)
    assert left == all_of_them, f"the stage leaves {left ^ all_of_them} different"
    kept = {path.suffix or path.name for path in folder.rglob("*") if path.is_file()}
    assert kept == {".rs", ".toml", ".lock"}, f"the stage leaves files with {kept}"


def assemble(stages: list[dockerfile.Stage], target: Path, root: Path) -> None:
    """The root file system: the base image's part of it, as far as a program needs it, and what the final stage copies."""
    final = stages[-1]
    uid, gid = final.user()
    for folder in ("tmp", "proc", "dev", "etc", f"home/{uid}"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text(f"root:x:0:0:root:/root:\nnonroot:x:{uid}:{gid}:nonroot:/home/{uid}:\n")
    for device in ("null", "urandom"):
        (root / "dev" / device).touch()
    (root / final.workdir().lstrip("/")).mkdir(parents=True, exist_ok=True)
    builder = next(stage for stage in stages if stage.name == "build")
    for one in final.copies():
        assert one.stage == builder.name, f"COPY from {one.stage} is not known here"
        for source in one.sources:
            copy(built(source, builder, target), one, root)
    copy_libraries(root / final.command()[0].lstrip("/"), root)


def built(source: str, builder: dockerfile.Stage, target: Path) -> Path | list[Path]:
    """Where a file of the builder's is here, or what is in the folder that it makes."""
    if source == "/src/target/release/spindrift":
        return target / "debug" / "spindrift"
    if source.startswith("/src/"):
        return CHECKOUT / source.removeprefix("/src/")
    if any(f" compile --from spin.toml --output {source}" in recipe for recipe in builder.all("RUN")):
        return compiled(target)
    made = [recipe.removeprefix(f"mkdir -p {source}/") for recipe in builder.all("RUN") if f"mkdir -p {source}/" in recipe]
    assert len(made) == 1, f"nothing makes {source}"
    return [*reversed(Path(made[0]).parents[:-1]), Path(made[0])]


def compiled(target: Path) -> Path:
    """The components, compiled ahead of time as the builder does."""
    folder = target / "debug" / "compiled-for-the-image"
    shutil.rmtree(folder, ignore_errors=True)
    run(target / "debug" / "spindrift", "compile", "--from", CHECKOUT / "spin.toml", "--output", folder)
    return folder


def copy(source: Path | list[Path], one: dockerfile.Copy, root: Path) -> None:
    target = root / one.target.lstrip("/")
    if isinstance(source, list):
        paths = [target / folder for folder in source]
        for path in paths:
            path.mkdir(parents=True)
    elif source.is_dir():
        shutil.copytree(source, target)
        paths = [target, *target.iterdir()]
    else:
        if one.target.endswith("/"):
            target = target / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        paths = [target]
    for path in paths:
        os.chown(path, *map(int, (one.owner or "0:0").split(":")))


def copy_libraries(program: Path, root: Path) -> None:
    for line in run("ldd", program).splitlines():
        words = line.split()
        if (path := next((Path(word) for word in words if word.startswith("/")), None)) is None:
            continue
        assert path.name in LIBRARIES or path.name.startswith("ld-linux"), f"the runtime's image has no {path.name}"
        (root / path.relative_to("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / path.relative_to("/"))


@contextlib.contextmanager
def container(root: Path, how: Run, final: dockerfile.Stage, scratch: Path) -> Iterator[subprocess.Popen]:
    """The process, in a read-only mount of the root file system."""
    mounted, uid, gid = scratch / "mounted", *final.user()
    mounted.mkdir()
    # An engine makes the places for what it mounts.
    for place, text in how.mounts.items():
        path = root / place.lstrip("/")
        (path.parent if text else path).mkdir(parents=True, exist_ok=True)
        if text:
            path.touch()
    run("mount", "--bind", root, mounted)
    try:
        run("mount", "-o", "remount,bind,ro", mounted)
        run("mount", "--bind", "/proc", mounted / "proc")
        for device in ("null", "urandom"):
            run("mount", "--bind", f"/dev/{device}", mounted / "dev" / device)
        for number, (place, text) in enumerate(how.mounts.items()):
            path = mounted / place.lstrip("/")
            if text is None:
                run("mount", "-t", "tmpfs", "-o", "mode=1777,size=256m", "tmpfs", path)
            else:
                file = scratch / f"file-{number}"
                file.write_text(text)
                run("mount", "--bind", file, path)
        command = ["setpriv", "--clear-groups", "--no-new-privs"]
        command += ["unshare", "--root", mounted, "--wd", final.workdir(), "--setgid", str(gid), "--setuid", str(uid), "--"]
        command += final.command(how.arguments)
        env = {"PATH": "/usr/local/bin:/usr/bin", "HOSTNAME": "spindrift-0", "HOME": f"/home/{uid}"}
        with open(scratch / f"{how.name}.log", "w") as log:
            process = subprocess.Popen(command, env=env | final.env() | how.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
    finally:
        run("umount", "--recursive", mounted)
        mounted.rmdir()


def request(url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, method=method), timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read()


def wait_for(what: str, seconds: int, condition: Callable[[], bool], process: subprocess.Popen) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"the process ended with {process.returncode} before {what}"
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def answers(url: str) -> bool:
    try:
        return request(url)[0] == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def check_process(process: subprocess.Popen, final: dockerfile.Stage) -> None:
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if ":\t" in line)
    uid, gid = map(str, final.user())
    assert uid != "0" and set(status["Uid"].split()) == {uid}, f"it runs as {status['Uid']}"
    assert set(status["Gid"].split()) == {gid} and not status["Groups"].strip(), f"its groups are {status['Gid']}"
    assert int(status["CapEff"], 16) == 0, f"it has the capabilities {status['CapEff']}"
    mounts = [line.split() for line in Path(f"/proc/{process.pid}/mountinfo").read_text().splitlines()]
    (root,) = (mount for mount in mounts if mount[4] == "/")
    assert "ro" in root[5].split(","), "its root file system can be written to"


def try_out(root: Path, how: Run, final: dockerfile.Stage, scratch: Path) -> None:
    url = f"http://127.0.0.1:{how.port}"
    with container(root, how, final, scratch) as process:
        wait_for(f"{how.live} answers", READY_SECONDS, lambda: answers(url + how.live), process)
        wait_for(f"{how.ready} answers", READY_SECONDS, lambda: answers(url + how.ready), process)
        check_process(process, final)
        body = json.dumps({"key": "in the image", "value": how.name}).encode()
        status, text = request(f"{url}/put", "PUT", body)
        assert status == 200, f"PUT is answered {status}: {text!r}"
        status, text = request(f"{url}/get/in%20the%20image")
        assert status == 200 and json.loads(text)["value"] == how.name, f"GET is answered {status}: {text!r}"
        check_log((scratch / f"{how.name}.log").read_text())
        process.terminate()
        try:
            code = process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end within {END_SECONDS} s of SIGTERM") from None
        assert code == 0, f"it ends with {code} on SIGTERM"


def check_log(log: str) -> None:
    """A start like any other says nothing that somebody should look at, and takes the components as they come."""
    unusual = [line for line in log.splitlines() if re.search(r"WARN|ERROR|is compiled now|compiled \d+ of", line)]
    assert not unusual, f"it says {unusual}"


def as_it_is(final: dockerfile.Stage) -> Run:
    """`docker run --read-only --tmpfs /tmp`."""
    port = int(final.last("EXPOSE"))
    return Run("image", port, "/.well-known/spin/health", "/.well-known/spin/health", mounts={"/tmp": None})


def as_overlay(one: overlay.Overlay) -> Run:
    """As the pods of an overlay. There is no Kubernetes to find others in, so the node forms a cluster of its own."""
    container = one.container()
    # With a security context of the operator's, which is none, a container may write where its user may.
    files: dict[str, str | None] = {} if "securityContext" in container else {"/tmp": None}
    for mount in container["volumeMounts"]:
        (volume,) = (volume for volume in one.pod()["volumes"] if volume["name"] == mount["name"])
        if "emptyDir" in volume:
            files[mount["mountPath"]] = None
        elif mount["mountPath"] == spin_operator.RUNTIME_CONFIG:
            files[mount["mountPath"]] = spin_operator.runtime_config(*one.of_kind("SpinApp"))
        else:
            for item in volume["secret"]["items"]:
                files[f"{mount['mountPath']}/{item['path']}"] = TOKEN
    return Run(
        one.name,
        one.ports()["http-app"],
        container["livenessProbe"]["httpGet"]["path"],
        container["readinessProbe"]["httpGet"]["path"],
        container.get("args"),
        {variable["name"]: variable["value"] for variable in container["env"] if "value" in variable} | {"SPINDRIFT_BOOTSTRAP": "true"},
        files,
    )


def main() -> int:
    target = Path(sys.argv[1])
    stages = dockerfile.read(CHECKOUT / "Dockerfile")
    final = stages[-1]
    run("ip", "link", "set", "lo", "up")
    # As container engines have it: port 80 is SpinKube's.
    Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("0")
    with tempfile.TemporaryDirectory(prefix="spindrift-image-") as folder:
        scratch = Path(folder)
        scratch.chmod(0o755)
        check_manifests_stage(stages, scratch)
        for how in (as_it_is(final), *(as_overlay(overlay.read(name)) for name in overlay.NAMES)):
            root = scratch / f"root-{how.name}"
            assemble(stages, target, root)
            try:
                try_out(root, how, final, scratch)
            except AssertionError as failure:
                print(f"{how.name}: {failure}; its last lines:", file=sys.stderr)
                print("\n".join((scratch / f"{how.name}.log").read_text().splitlines()[-30:]), file=sys.stderr)
                return 1
            print(f"{how.name}: starts read-only as {final.user()[0]}, serves on port {how.port}, ends with 0")
    return 0


if __name__ == "__main__":
    sys.exit(main())

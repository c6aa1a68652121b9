"""Whether the pods are as Pod Security's "restricted" wants them (where they can be), are probed at paths that exist, have
the time that they need to end, and say nothing to the host that it does not know.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from overlay import CHECKOUT, Overlay

HOST = CHECKOUT / "host"
CLI = HOST / "spindrift" / "src" / "cli"

# What Kubernetes gives a pod that asks for no other.
DEFAULT_GRACE_SECONDS = 30

# In which a pod of an image that is there becomes ready.
LEAST_SECONDS_TO_START = 5

# Volumes that "restricted" allows.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def check(overlay: Overlay) -> Iterator[str]:
    yield from image(overlay)
    yield from probes(overlay)
    yield from time_to_end(overlay)
    yield from environment(overlay)
    namespace = overlay.find("Namespace", overlay.deployment()["metadata"]["namespace"])
    level = namespace["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") if namespace else None
    # The operator sets no security context, so its pods get no further than "baseline".
    expected = "baseline" if overlay.of_kind("SpinApp") else "restricted"
    if level != expected:
        yield f"the namespace enforces {level} and not {expected}"
    if expected == "restricted":
        yield from restricted(overlay)
        yield from read_only(overlay)


def image(overlay: Overlay) -> Iterator[str]:
    workspace = (CHECKOUT / "Cargo.toml").read_text()
    version = re.search(r'\[workspace\.package\]\nversion = "(.+)"', workspace)[1]
    if overlay.container()["image"] != f"spindrift:{version}":
        yield f"the pods run {overlay.container()['image']}, and this is version {version}"
    if "command" in overlay.container():
        yield "the pods do not use the image's entry point"


def restricted(overlay: Overlay) -> Iterator[str]:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, "Restricted" and what it has from "Baseline"."""
    pod, container = overlay.pod(), overlay.container()
    both = [pod.get("securityContext", {}), container.get("securityContext", {})]
    context = both[0] | both[1]
    rules = {
        "runAsNonRoot is not true": context.get("runAsNonRoot") is not True,
        "it may run as root": context.get("runAsUser") == 0,
        "allowPrivilegeEscalation is not false": context.get("allowPrivilegeEscalation") is not False,
        "not all capabilities are dropped": context.get("capabilities", {}).get("drop") != ["ALL"],
        "capabilities are added": bool(context.get("capabilities", {}).get("add")),
        "seccomp is off": context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"),
        "it is privileged": bool(context.get("privileged")),
        "it shares the node's namespaces": any(pod.get(one) for one in ("hostNetwork", "hostPID", "hostIPC")),
        "it takes a port of the node": any(port.get("hostPort") for port in container["ports"]),
        "it has volumes of other kinds": any(not set(one) - {"name"} <= VOLUMES for one in pod["volumes"]),
        "it sets sysctls": bool(both[0].get("sysctls")),
        "there are other containers": bool(pod.get("initContainers") or pod.get("ephemeralContainers")),
    }
    yield from (f"restricted: {rule}" for rule, broken in rules.items() if broken)


def read_only(overlay: Overlay) -> Iterator[str]:
    """The host writes nothing. What an emptyDir would be for, `kubectl drain` asks before it deletes it."""
    context = overlay.pod()["securityContext"]
    if overlay.container()["securityContext"].get("readOnlyRootFilesystem") is not True:
        yield "the root file system can be written to"
    if (context.get("runAsUser"), context.get("runAsGroup")) != overlay.image.user():
        yield f"the pod runs as {context.get('runAsUser')}, and the image is made for {overlay.image.user()}"
    if local := [one["name"] for one in overlay.pod()["volumes"] if "emptyDir" in one]:
        yield f"a machine is not drained of the pods without --delete-emptydir-data, since they have {local}"
    folder = overlay.env().get("SPINDRIFT_COMPILED_DIR")
    if folder not in [one.target for one in overlay.image.copies()]:
        yield f"the image has no components in {folder} that are compiled ahead of time"
    if context.get("fsGroup") != overlay.image.user()[1]:
        yield "the pod's group is not that of its volumes, so the token cannot be read"


def probes(overlay: Overlay) -> Iterator[str]:
    expected = {"readinessProbe": "/.well-known/spindrift/ready", "livenessProbe": "/.well-known/spindrift/live"}
    # The operator knows no startupProbe: there the first probe of readiness comes late.
    if overlay.of_kind("SpinApp"):
        if overlay.container().get("readinessProbe", {}).get("initialDelaySeconds", 0) < LEAST_SECONDS_TO_START:
            yield "the first probe of readiness comes before a normal start is ready, and its failure is an Event"
    else:
        expected["startupProbe"] = "/.well-known/spindrift/started"
        yield from startup(overlay.container().get("startupProbe", {}))
    served = (HOST / "gateway" / "src" / "well_known.rs").read_text()
    for kind, path in expected.items():
        if f'"{path}"' not in served:
            yield f"the host answers nothing at {path}"
        get = overlay.container().get(kind, {}).get("httpGet", {})
        port = overlay.ports().get(get.get("port"), get.get("port"))
        if get.get("path") != path or port != overlay.ports()["http-app"]:
            yield f"the {kind} asks {get} and not {path} at {overlay.ports()['http-app']}"


def startup(probe: dict) -> Iterator[str]:
    """The answer is held until the process is ready, and for no longer than the host says."""
    held = seconds_of("HELD_FOR", HOST / "gateway" / "src" / "health.rs")
    if probe.get("timeoutSeconds", 1) <= held:
        yield f"the startupProbe waits for {probe.get('timeoutSeconds', 1)} s, and its answer may be held for {held}"


def time_to_end(overlay: Overlay) -> Iterator[str]:
    """The host's steps at its end: it waits, finishes requests, leaves the cluster."""
    needed = 0
    for constant, variable in (
        ("DELAY_IN_POD", "SPINDRIFT_SHUTDOWN_DELAY"),
        ("TIMEOUT_IN_POD", "SPINDRIFT_SHUTDOWN_TIMEOUT"),
        ("LEAVE_TIMEOUT", ""),
    ):
        told = re.fullmatch(r"(\d+)s", overlay.env().get(variable, ""))
        needed += int(told[1]) if told else seconds_of(constant, CLI / "shutdown.rs")
    grace = overlay.pod().get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
    if grace < needed:
        yield f"a pod is killed after {grace} s, and may need {needed} to end"


def seconds_of(constant: str, path: Path) -> int:
    found = re.search(rf"const {constant}: Duration = Duration::from_secs\((\d+)\);", path.read_text())
    if not found:
        raise ValueError(f"{path} has no {constant} in seconds")
    return int(found[1])


def environment(overlay: Overlay) -> Iterator[str]:
    """The host says nothing of a variable that it does not know."""
    known = {name for path in CLI.glob("*.rs") for name in re.findall(r'env = "(\w+)"', path.read_text())}
    in_cluster = HOST / "discovery" / "src" / "kubernetes" / "in_cluster.rs"
    known |= set(re.findall(r'const \w+_VARIABLE: &str = "(\w+)"', in_cluster.read_text()))
    for name in overlay.env():
        if name not in known:
            yield f"the host knows no variable {name}"

"""Renders both overlays of k8s/ with kubectl, and checks them: schemas, selectors and ports, rights, pods, scaling. Then
breaks them in ways that each check has to find. `scripts/test.sh manifests` calls it.
"""

import copy
import sys
from collections.abc import Iterator

import manifest_applying
import manifest_faults
import manifest_network
import manifest_permissions
import manifest_pods
import manifest_scaling
import manifest_schemas
import overlay

# The slowest one last.
CHECKS = (
    manifest_network.check,
    manifest_permissions.check,
    manifest_pods.check,
    manifest_scaling.check,
    manifest_applying.check,
    manifest_schemas.check,
)


def faults(one: overlay.Overlay) -> Iterator[str]:
    return (fault for check in CHECKS for fault in check(one))


def undetected(sound: overlay.Overlay) -> list[str]:
    """The ways to break the overlay that no check finds, or that are found as something else."""
    missed = []
    for broken, expected in manifest_faults.of(sound.name):
        one = copy.deepcopy(sound)
        broken(one)
        if not any(expected in fault for fault in faults(one)):
            missed.append(f"nothing says '{expected}' after {broken.__name__}; what is said: {list(faults(one))}")
    return missed


def main() -> int:
    said = []
    for name in overlay.NAMES:
        one = overlay.read(name)
        found = list(faults(one))
        said += [f"{name}: {fault}" for fault in found or undetected(one)]
    for line in said:
        print(line, file=sys.stderr)
    if not said:
        versions = ", ".join(f"{major}.{minor}" for major, minor in manifest_schemas.VERSIONS)
        print(f"both overlays are sound, for Kubernetes {versions}; every broken one is found out")
    return bool(said)


if __name__ == "__main__":
    sys.exit(main())

"""One rendered overlay: its objects, and the pods that come of them, whether a Deployment makes them or SpinKube's operator
does. The checks ask this and nothing else, so that they hold for both.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

import dockerfile
import spin_operator

CHECKOUT = Path(__file__).resolve().parents[2]
NAMES = ("deployment", "spinapp")

# Where the host listens for other nodes in a pod.
PEER_PORT = 7000


@dataclass
class Overlay:
    name: str
    objects: list[dict]
    image: dockerfile.Stage

    def of_kind(self, kind: str) -> list[dict]:
        return [one for one in self.objects if one.get("kind") == kind]

    def find(self, kind: str, name: str) -> dict | None:
        return next((one for one in self.of_kind(kind) if one["metadata"]["name"] == name), None)

    def place(self, kind: str, name: str) -> int | None:
        """Which of the objects it is, in the order in which they are applied."""
        found = self.find(kind, name)
        return next((index for index, one in enumerate(self.objects) if one is found), None)

    def made_by_operator(self) -> list[dict]:
        return [
            made
            for app in self.of_kind("SpinApp")
            if (executor := self.find("SpinAppExecutor", app["spec"]["executor"]))
            for made in spin_operator.objects(app, executor)
        ]

    def deployment(self) -> dict:
        found = [one for one in self.objects + self.made_by_operator() if one.get("kind") == "Deployment"]
        if len(found) != 1:
            raise ValueError(f"{len(found)} Deployments come of the overlay instead of one")
        return found[0]

    def services(self) -> list[dict]:
        return [one for one in self.objects + self.made_by_operator() if one.get("kind") == "Service"]

    def template(self) -> dict:
        return self.deployment()["spec"]["template"]

    def pod(self) -> dict:
        return self.template()["spec"]

    def pod_labels(self) -> dict[str, str]:
        return self.template()["metadata"]["labels"]

    def container(self) -> dict:
        (container,) = self.pod()["containers"]
        return container

    def ports(self) -> dict[str, int]:
        """The ports that the container declares, by name."""
        return {port["name"]: port["containerPort"] for port in self.container()["ports"]}

    def env(self) -> dict[str, str]:
        """The process's environment: the image's, and what the pod sets."""
        return self.image.env() | {one["name"]: one.get("value", "") for one in self.container().get("env", [])}


def rendered(name: str) -> list[dict]:
    """The objects, in the order in which they are applied by the command that docs/kubernetes.md has for it."""
    folder = CHECKOUT / "k8s" / "overlays" / name
    objects = list(yaml.safe_load_all(kubectl("kustomize", folder)))
    if f"kubectl apply -k k8s/overlays/{name}" not in (CHECKOUT / "docs" / "kubernetes.md").read_text():
        return objects
    # `kubectl apply -k` has an order of its own. This command reads the folder in the same way, and needs no cluster.
    read = ["--local", "--dry-run=client", "--output", "name", "--kustomize", folder]
    order = kubectl("label", *read, "read=by-kubectl").split()
    return sorted(objects, key=lambda one: order.index(resource_name(one)))


def resource_name(one: dict) -> str:
    group, slash, _ = one["apiVersion"].rpartition("/")
    return f"{one['kind'].lower()}{'.' if slash else ''}{group}/{one['metadata']['name']}"


def kubectl(*arguments: str | Path) -> str:
    result = subprocess.run(["kubectl", *arguments], capture_output=True, text=True, timeout=60)
    # Whoever applies it sees a warning each time.
    if result.returncode != 0 or result.stderr:
        raise ValueError(f"kubectl {' '.join(map(str, arguments))}: {result.stderr.strip()}")
    return result.stdout


def read(name: str) -> Overlay:
    return Overlay(name, rendered(name), dockerfile.read(CHECKOUT / "Dockerfile")[-1])

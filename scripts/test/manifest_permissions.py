"""Whether the pods' service account may do exactly what the host does, and how the pods come by their secrets."""

import re
from collections.abc import Iterator
from functools import cache

from overlay import CHECKOUT, Overlay

HOST = CHECKOUT / "host"


@cache
def calls() -> frozenset[tuple[str, str, str]]:
    """Every call that the host makes to the API server: group, resource, verb. The host's own test compares this list to what
    a stand-in for the API server has seen.
    """
    path = HOST / "discovery" / "tests" / "kubernetes" / "scenarios" / "api_calls.rs"
    _, _, listed = path.read_text().partition("pub const REQUIRED_CALLS")
    entries = re.findall(r'\(\s*"([^"]*)",\s*"([^"]+)",\s*&\[([^]]+)\]', listed.partition("];\n")[0])
    found = {(group, resource, verb) for group, resource, verbs in entries for verb in re.findall(r'"(\w+)"', verbs)}
    if not found:
        raise ValueError(f"{path} has no calls")
    return frozenset(found)


@cache
def object_names() -> dict[tuple[str, str], str]:
    """Objects whose names come of the Deployment's, so that a rule can name them, and how."""
    path = HOST / "discovery" / "src" / "kubernetes" / "lease" / "record.rs"
    lease = re.search(r'format!\("(.*)", workload\.name\)', path.read_text())
    if not lease:
        raise ValueError(f"{path} does not say how the Lease is named")
    return {("apps", "deployments"): "{}", ("coordination.k8s.io", "leases"): lease[1]}


def check(overlay: Overlay) -> Iterator[str]:
    yield from account(overlay)
    yield from role(overlay)
    yield from cluster_token(overlay)


def account(overlay: Overlay) -> Iterator[str]:
    name = overlay.pod().get("serviceAccountName", "default")
    found = overlay.find("ServiceAccount", name)
    if found is None:
        yield f"the pods run as the service account {name}, which is not there"
        return
    if found.get("automountServiceAccountToken") is False or overlay.pod().get("automountServiceAccountToken") is False:
        yield f"the pods have no token of the service account {name}, so they cannot find each other"
    namespace = found["metadata"].get("namespace")
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    for binding in overlay.of_kind("RoleBinding"):
        if binding["subjects"] != [subject]:
            yield f"the RoleBinding is for {binding['subjects']} and not for {subject}"
        if overlay.find(binding["roleRef"]["kind"], binding["roleRef"]["name"]) is None:
            yield f"the RoleBinding refers to {binding['roleRef']}, which is not there"
    if len(overlay.of_kind("RoleBinding")) != 1 or overlay.of_kind("ClusterRoleBinding"):
        yield "there is not one RoleBinding and no more"
    spaces = {one["metadata"].get("namespace") for one in overlay.objects if one["kind"] != "Namespace"}
    if spaces != {namespace} or overlay.place("Namespace", namespace) != 0:
        yield f"the objects are in the namespaces {spaces}, of which the first object has to be the one"


def role(overlay: Overlay) -> Iterator[str]:
    allowed = set()
    for found in overlay.of_kind("Role"):
        for rule in found["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        allowed.add((group, resource, verb))
                        yield from names(overlay, group, resource, verb, rule.get("resourceNames"))
    for call in sorted(calls() - allowed):
        yield f"the Role does not allow {call}, which the host does"
    for call in sorted(allowed - calls()):
        yield f"the Role allows {call}, which the host never does"


def names(overlay: Overlay, group: str, resource: str, verb: str, given: list[str] | None) -> Iterator[str]:
    # What does not exist yet has no name to a rule.
    form = object_names().get((group, resource)) if verb != "create" else None
    expected = [form.format(overlay.deployment()["metadata"]["name"])] if form else None
    if given != expected:
        yield f"the Role allows to {verb} the {resource} {given or 'of any name'}, and the host needs {expected or 'any name'}"


def cluster_token(overlay: Overlay) -> Iterator[str]:
    """No manifest has a secret in it. The one that the pods share is made by Kubernetes, and is good for nothing else."""
    for secret in overlay.of_kind("Secret"):
        if secret.get("data") or secret.get("stringData"):
            yield f"the Secret {secret['metadata']['name']} is in the manifests"
    mounted = [one["secret"] for one in overlay.pod()["volumes"] if "secret" in one and not one["secret"].get("optional")]
    if len(mounted) != 1:
        yield f"the pods have {len(mounted)} Secrets mounted instead of the cluster's token"
        return
    secret = overlay.find("Secret", mounted[0]["secretName"])
    if secret is None or secret["type"] != "kubernetes.io/service-account-token":
        yield f"nothing makes the Secret {mounted[0]['secretName']}"
        return
    name = secret["metadata"]["annotations"]["kubernetes.io/service-account.name"]
    if (overlay.place("ServiceAccount", name) or len(overlay.objects)) > overlay.objects.index(secret):
        yield f"the Secret is there before the service account {name} that it is of, and would be deleted"
    if name == overlay.pod()["serviceAccountName"] or any(
        subject["name"] == name for binding in overlay.of_kind("RoleBinding") for subject in binding["subjects"]
    ):
        yield f"the cluster's token is of the service account {name}, which has rights"
    if [item["key"] for item in mounted[0].get("items", [])] != ["token"]:
        yield "the Secret is mounted without naming its key, so pods would start before it has one"
        return
    yield from token_file(overlay, mounted[0])


def token_file(overlay: Overlay, secret: dict) -> Iterator[str]:
    volume = next(one["name"] for one in overlay.pod()["volumes"] if one.get("secret") is secret)
    folders = [one["mountPath"] for one in overlay.container()["volumeMounts"] if one["name"] == volume]
    files = [f"{folder}/{item['path']}" for folder in folders for item in secret["items"]]
    told = [overlay.env().get("SPINDRIFT_CLUSTER_TOKEN_FILE")]
    for app in overlay.of_kind("SpinApp"):
        for store in app["spec"]["runtimeConfig"]["keyValueStores"]:
            told = [option["value"] for option in store["options"] if option["name"] == "cluster_token_file"]
    if files != told:
        yield f"the token is mounted as {files}, and the host looks for it in {told}"

"""Whether every object is of its schema: Kubernetes' own for what is Kubernetes', in its three newest versions, and the
custom resource definitions of SpinKube (`crds/`). A field that the schema does not know is a fault, as a typing mistake would
otherwise be dropped in silence.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml
from kubernetes_validate.utils import all_versions

from overlay import Overlay

VERSIONS = sorted({tuple(map(int, version.split(".")[:2])) for version in all_versions()})[-3:]
CUSTOM_GROUP = "core.spinkube.dev"


def check(overlay: Overlay) -> Iterator[str]:
    for one in overlay.objects + overlay.made_by_operator():
        name = f"{one['kind']} {one['metadata']['name']}"
        if one["apiVersion"].startswith(f"{CUSTOM_GROUP}/"):
            for fault in custom_faults(one):
                yield f"{name}: {fault}"
            continue
        for major, minor in VERSIONS:
            try:
                kubernetes_validate.validate(one, f"{major}.{minor}", strict=True)
            except kubernetes_validate.ValidationError as fault:
                yield f"{name}, Kubernetes {major}.{minor}: {place(fault)}: {fault.message}"
            except kubernetes_validate.SchemaNotFoundError:
                yield f"{name}, Kubernetes {major}.{minor}: there is no {one['apiVersion']} {one['kind']}"


def place(fault: jsonschema.ValidationError) -> str:
    return ".".join(map(str, fault.absolute_path)) or "the object"


def custom_faults(one: dict) -> Iterator[str]:
    schema = definitions().get((one["apiVersion"], one["kind"]))
    if schema is None:
        yield f"no definition has {one['apiVersion']} {one['kind']}"
        return
    for fault in jsonschema.Draft202012Validator(schema).iter_errors(one):
        yield f"{place(fault)}: {fault.message}"


@cache
def definitions() -> dict[tuple[str, str], dict]:
    found = {}
    for path in sorted((Path(__file__).parent / "crds").glob("*.yaml")):
        spec = yaml.safe_load(path.read_text())["spec"]
        for version in spec["versions"]:
            key = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
            found[key] = closed(version["schema"]["openAPIV3Schema"])
    return found


def closed(schema: dict) -> dict:
    """The schema, with no other fields than those that it names."""
    schema = dict(schema)
    if properties := schema.get("properties"):
        schema["properties"] = {name: closed(one) for name, one in properties.items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            schema[key] = closed(schema[key])
    return schema

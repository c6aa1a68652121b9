"""Whether `kubectl apply` and `kubectl delete` have nothing to say but what they do: each object is there before the one that
needs it, nothing is changed by applying again, and the namespace has all of it.
"""

from collections.abc import Iterator

import manifest_schemas
from overlay import Overlay

# What the API server fills in within lists that `kubectl apply` compares as a whole: it finds another list, and says
# "configured", each time. Others it merges by a key.
FILLED_IN = {"NetworkPolicy": [(("spec", "ingress", "ports"), "protocol"), (("spec", "egress", "ports"), "protocol")]}


def check(overlay: Overlay) -> Iterator[str]:
    yield from order(overlay)
    for one in overlay.objects:
        name = f"{one['kind']} {one['metadata']['name']}"
        missing = [field for path, field in FILLED_IN.get(one["kind"], []) for part in parts(one, path) if field not in part]
        if schema := manifest_schemas.definitions().get((one["apiVersion"], one["kind"])):
            missing += filled_in(schema, one)
        if missing:
            yield f"{name} is 'configured' at every `kubectl apply`, since it lacks {missing}"
        if one["kind"] != "Namespace" and "namespace" not in one["metadata"]:
            yield f"{name} would stay when the namespace is deleted"


def parts(value: object, path: tuple[str, ...]) -> list:
    """What is at a path, in each element of the lists on the way."""
    if isinstance(value, list):
        return [part for element in value for part in parts(element, path)]
    if not path:
        return [value]
    return parts(value[path[0]], path[1:]) if isinstance(value, dict) and path[0] in value else []


def filled_in(schema: dict, value: object, listed: bool = False) -> list[str]:
    """The fields with a default that are missing within lists: a custom resource's are all compared as a whole."""
    if isinstance(value, list):
        return [missing for element in value for missing in filled_in(schema.get("items", {}), element, True)]
    if not isinstance(value, dict):
        return []
    fields = schema.get("properties", {})
    missing = [name for name, field in fields.items() if listed and "default" in field and name not in value]
    return missing + [lost for name in value for lost in filled_in(fields.get(name, {}), value[name], listed)]


def order(overlay: Overlay) -> Iterator[str]:
    """The operator refuses a SpinApp whose executor is not there."""
    for app in overlay.of_kind("SpinApp"):
        executor = overlay.place("SpinAppExecutor", app["spec"]["executor"])
        if executor is None or executor > overlay.objects.index(app):
            yield f"the executor {app['spec']['executor']} is not there before the SpinApp"

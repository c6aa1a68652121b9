"""Whether pods come, go and are replaced as a cluster that votes can bear: enough of them, one at a time."""

from collections.abc import Iterator

from overlay import Overlay

# A node that goes gives its seat to another one meanwhile.
LEAST_SECONDS_BETWEEN_REMOVALS = 60
LEAST_SECONDS_BEFORE_REMOVALS = 300


def check(overlay: Overlay) -> Iterator[str]:
    deployment = overlay.deployment()
    yield from autoscaler(overlay, deployment)
    budgets = [one["spec"] for one in overlay.of_kind("PodDisruptionBudget")]
    if [one.get("maxUnavailable") for one in budgets] != [1]:
        yield "the PodDisruptionBudget does not hold to one pod at a time"
    # The operator leaves the strategy to Kubernetes.
    if overlay.of_kind("SpinApp"):
        return
    rolling = deployment["spec"].get("strategy", {}).get("rollingUpdate", {})
    if rolling.get("maxUnavailable") != 0 or rolling.get("maxSurge") != 1:
        yield f"a rolling update takes {rolling} instead of a new pod first, one at a time"
    spread = {one["topologyKey"] for one in overlay.pod().get("topologySpreadConstraints", [])}
    if missing := {"kubernetes.io/hostname", "topology.kubernetes.io/zone"} - spread:
        yield f"the pods are not spread over {missing}"


def autoscaler(overlay: Overlay, deployment: dict) -> Iterator[str]:
    found = [one["spec"] for one in overlay.of_kind("HorizontalPodAutoscaler")]
    if len(found) != 1:
        yield f"there are {len(found)} HorizontalPodAutoscalers"
        return
    scaler, name = found[0], deployment["metadata"]["name"]
    if scaler["scaleTargetRef"] != {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}:
        yield f"the HorizontalPodAutoscaler scales {scaler['scaleTargetRef']} and not the Deployment {name}"
    if (scaler.get("minReplicas"), scaler.get("maxReplicas")) != (3, 10):
        yield f"the HorizontalPodAutoscaler keeps {scaler.get('minReplicas')} to {scaler.get('maxReplicas')} pods"
    if "replicas" in deployment["spec"]:
        yield "the Deployment has a number of replicas, which every `kubectl apply` would set again"
    if [metric.get("resource", {}).get("name") for metric in scaler["metrics"]] != ["cpu"]:
        yield "the HorizontalPodAutoscaler does not go by CPU"
    resources = overlay.container().get("resources", {})
    for kind in ("requests", "limits"):
        if not {"cpu", "memory"} <= set(resources.get(kind, {})):
            yield f"the pods lack {kind} of CPU and memory, of which the autoscaler and the scheduler make use"
    down = scaler.get("behavior", {}).get("scaleDown", {})
    policies = [(one["type"], one["value"]) for one in down.get("policies", [])]
    slow = all(one["periodSeconds"] >= LEAST_SECONDS_BETWEEN_REMOVALS for one in down.get("policies", []))
    if policies != [("Pods", 1)] or not slow or down.get("stabilizationWindowSeconds", 0) < LEAST_SECONDS_BEFORE_REMOVALS:
        yield f"scaling down is not slow, one pod at a time: {down}"

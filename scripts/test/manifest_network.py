"""Whether what points at pods and ports finds them, and whether the ports are open to those who are meant to reach them and to
nobody else.
"""

from collections.abc import Iterator

import spin_operator
from overlay import PEER_PORT, Overlay


def check(overlay: Overlay) -> Iterator[str]:
    yield from selectors(overlay)
    yield from services(overlay)
    yield from reach(overlay)


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """An empty one would select every pod of the namespace."""
    return bool(selector) and selector.items() <= labels.items()


def selectors(overlay: Overlay) -> Iterator[str]:
    labels = overlay.pod_labels()
    found = [("Deployment", overlay.deployment()["spec"]["selector"])]
    found += [(f"Service {one['metadata']['name']}", {"matchLabels": one["spec"]["selector"]}) for one in overlay.services()]
    found += [("PodDisruptionBudget", one["spec"]["selector"]) for one in overlay.of_kind("PodDisruptionBudget")]
    found += [("NetworkPolicy", one["spec"]["podSelector"]) for one in overlay.of_kind("NetworkPolicy")]
    found += [("topologySpreadConstraints", one["labelSelector"]) for one in overlay.pod().get("topologySpreadConstraints", [])]
    for what, selector in found:
        if set(selector) != {"matchLabels"} or not selects(selector["matchLabels"], labels):
            yield f"{what} selects {selector}, and the pods have the labels {labels}"


def port_number(overlay: Overlay, port: str | int) -> int | None:
    """The number of a port of the pods. The peers' port need not be declared, and the operator does not."""
    if isinstance(port, int):
        return port if port in {*overlay.ports().values(), PEER_PORT} else None
    return overlay.ports().get(port)


def http_port(overlay: Overlay) -> int | None:
    return overlay.ports().get(spin_operator.PORT_NAME)


def services(overlay: Overlay) -> Iterator[str]:
    targets = {}
    for service in overlay.services():
        name, spec = service["metadata"]["name"], service["spec"]
        for port in spec["ports"]:
            number = port_number(overlay, port.get("targetPort", port["port"]))
            if number is None:
                yield f"Service {name} leads to port {port.get('targetPort', port['port'])}, and the pods have {overlay.ports()}"
            targets[number] = spec
        if len([one for one in overlay.services() if one["metadata"]["name"] == name]) > 1:
            yield f"there are two Services named {name}"
    clients, peers = targets.get(http_port(overlay)), targets.get(PEER_PORT)
    if clients is None or clients.get("publishNotReadyAddresses"):
        yield "no Service leads clients to the pods that are ready, and to these only"
    if peers is None or peers.get("clusterIP") != "None" or not peers.get("publishNotReadyAddresses"):
        yield f"no headless Service has the port {PEER_PORT} of all pods, ready or not"
    listen = overlay.env().get("SPIN_HTTP_LISTEN_ADDR", "")
    if listen != f"0.0.0.0:{http_port(overlay)}":
        yield f"the process listens on {listen or 'nothing'}, and the pod's {spin_operator.PORT_NAME} is {http_port(overlay)}"
    admin = overlay.env().get("SPINDRIFT_ADMIN_LISTEN")
    if admin and int(admin.rpartition(":")[2]) != overlay.ports().get("admin"):
        yield f"the port for operators is {admin}, and the pod's is {overlay.ports().get('admin')}"


def reach(overlay: Overlay) -> Iterator[str]:
    """Anyone reaches the HTTP port, the app's own pods the peers' port, nobody any other."""
    policies = overlay.of_kind("NetworkPolicy")
    if [one["spec"]["policyTypes"] for one in policies] != [["Ingress"]]:
        yield "there is not one NetworkPolicy, for Ingress"
        return
    http, peers = [], []
    for rule in policies[0]["spec"]["ingress"]:
        if not rule.get("ports"):
            yield f"the NetworkPolicy opens every port to {rule.get('from', 'anyone')}"
        for port in rule.get("ports", []):
            number = port_number(overlay, port["port"])
            if number is None:
                yield f"the NetworkPolicy opens {port['port']}, which the pods do not have"
            elif number == http_port(overlay):
                http.append(rule.get("from"))
            elif number == PEER_PORT:
                peers.append(rule.get("from"))
            else:
                yield f"the NetworkPolicy opens port {number}"
    if http != [None]:
        yield f"the NetworkPolicy lets {http} reach the HTTP port, and not anyone"
    own = {"matchLabels": policies[0]["spec"]["podSelector"].get("matchLabels")}
    if peers != [[{"podSelector": own}]]:
        yield f"the NetworkPolicy lets {peers} reach the peers' port, and not just the pods that it is for"

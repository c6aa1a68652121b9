"""Spindrift nodes on the loopback interface."""

import pathlib

from clusters import Cluster, Node, ask, wait_for
from servers import free_port

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent


class SpindriftNode(Node):
    def __init__(self, name: str):
        super().__init__(name, CHECKOUT)
        self.port, self.peer_port, self.admin_port = free_port(), free_port(), free_port()

    def status(self) -> dict:
        return ask(self.admin_port, "GET", "/status")


class SpindriftCluster(Cluster):
    api = "spindrift"

    def __init__(self, program: str, flags: tuple[str, ...] = (), name: str = "spindrift"):
        super().__init__()
        self.name = name
        self.program = program
        self.flags = flags
        self.started = 0

    def start(self, size: int = 3) -> None:
        self.add("--bootstrap")
        for _ in range(size - 1):
            self.add(*self.seeds())
        self.leader(voters=size)

    def add(self, *flags: str) -> SpindriftNode:
        """Starts a node, and does not wait for it."""
        self.started += 1
        node = SpindriftNode(f"node {self.started} of {self.name}")
        node.launch([
            self.program, "up", "--quiet", "--log-level", "warn", "-f", "spin.toml", "--replicated",
            "--listen", f"127.0.0.1:{node.port}", "--peer-listen", f"127.0.0.1:{node.peer_port}",
            "--admin-listen", f"127.0.0.1:{node.admin_port}", *flags, *self.flags,
        ])  # fmt: skip
        self.nodes.append(node)
        return node

    def seeds(self) -> list[str]:
        """The flags of a node that is to join."""
        return [part for node in self.nodes for part in ("--join", f"127.0.0.1:{node.peer_port}")]

    def agreed_leader(self, voters: int) -> Node | None:
        views = [node.status()["replication"] for node in self.nodes]
        agreed = all(
            view["not_ready"] is None
            and (view["cluster"], view["leader"], view["voters"]) == (views[0]["cluster"], views[0]["leader"], voters)
            for view in views
        )
        roles = [view["role"] for view in views]
        voting = roles.count("leader") + roles.count("follower")
        if agreed and (voting, roles.count("leader")) == (voters, 1):
            return self.nodes[roles.index("leader")]
        return None

    def replace(self, killed: Node) -> None:
        node = self.add(*self.seeds())

        def votes() -> bool:
            replication = node.status()["replication"]
            return replication["role"] in ("leader", "follower")

        wait_for(f"{node.name} votes", votes, self.check)
        self.leader()

    def term(self, node: SpindriftNode) -> int:
        return node.status()["replication"]["term"]

    def keys(self, node: SpindriftNode) -> int:
        return sum(store["entries"] for store in node.status()["stores"])

    def caught_up(self, node: SpindriftNode) -> bool:
        """Whether a node is ready and holds what the leader held a moment before."""
        newest = max(other.status()["revision"] for other in self.nodes if other is not node)
        status = node.status()
        return status["replication"]["not_ready"] is None and status["revision"] >= newest

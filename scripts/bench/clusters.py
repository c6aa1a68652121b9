"""Clusters that a benchmark compares: what it asks of every kind, and the waiting that all kinds share. The kinds are in
spindrift_cluster.py and etcd_cluster.py."""

import abc
import contextlib
import http.client
import json
import time

from servers import BenchmarkError, Process

AGREE_LIMIT_SECONDS = 60.0
POLL_SECONDS = 0.02


class Node(Process):
    """One process of a cluster, which clients reach on `port`."""

    port: int


class Cluster(abc.ABC):
    """Some nodes. `with` ends all of them."""

    name: str
    # What the requests of load.py and paced.py look like.
    api: str

    def __init__(self):
        self.nodes: list[Node] = []

    @abc.abstractmethod
    def start(self, size: int = 3) -> None:
        """Starts nodes, and returns when each of them votes."""

    @abc.abstractmethod
    def agreed_leader(self, voters: int) -> Node | None:
        """The leader, if all nodes say that it leads them and so many vote."""

    @abc.abstractmethod
    def replace(self, killed: Node) -> None:
        """Starts a node in the place of one that was killed, and returns when it votes."""

    @abc.abstractmethod
    def term(self, node: Node) -> int:
        """The term that a node is in: another one means an election, whoever won it."""

    @abc.abstractmethod
    def keys(self, node: Node) -> int:
        """How many keys a node holds."""

    def leader(self, voters: int = 3) -> Node:
        """Waits until all nodes agree on a leader."""
        return wait_for(f"a leader of all nodes of {self.name}", lambda: self.agreed_leader(voters), self.check)

    def followers(self) -> list[Node]:
        leader = self.leader()
        return [node for node in self.nodes if node is not leader]

    def kill(self, node: Node) -> None:
        """Ends a node without a chance to do anything about it."""
        node.kill()
        self.nodes.remove(node)

    def check(self) -> None:
        for node in self.nodes:
            node.check_that_it_runs()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The last one first, as scripts/cluster.sh does: what is left can decide that it goes.
        while self.nodes:
            self.nodes.pop().stop()


def wait_for(what: str, find, check=lambda: None, limit_seconds: float = AGREE_LIMIT_SECONDS):
    """Calls `find` until it finds something, and returns that."""
    deadline = time.monotonic() + limit_seconds
    while time.monotonic() < deadline:
        check()
        # A node that has just started, or is about to end.
        with contextlib.suppress(OSError, http.client.HTTPException):
            found = find()
            if found:
                return found
        time.sleep(POLL_SECONDS)
    raise BenchmarkError(f"{what}: not within {limit_seconds:.0f} s")


def ask(port: int, method: str, path: str, body=None) -> dict:
    """The answer to a request, as JSON is read."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise http.client.HTTPException(f"{path} on port {port}: {response.status} {answer[:200]!r}")
    return json.loads(answer)

"""etcd nodes on the loopback interface, with their data in memory."""

import pathlib
import shutil
import tempfile

from clusters import Cluster, Node, ask
from servers import BenchmarkError, free_port

TMPFS = pathlib.Path("/dev/shm")


class EtcdNode(Node):
    def __init__(self, name: str, folder: pathlib.Path):
        super().__init__(name, folder)
        self.port, self.peer_port = free_port(), free_port()
        self.data = folder / name.replace(" ", "-")

    def status(self) -> dict:
        return ask(self.port, "POST", "/v3/maintenance/status", {})


class EtcdCluster(Cluster):
    api = "etcd"

    def __init__(self, flags: tuple[str, ...] = (), name: str = "etcd"):
        super().__init__()
        self.name = name
        self.flags = flags
        self.folder: pathlib.Path | None = None
        self.members: list[EtcdNode] = []

    def start(self, size: int = 3) -> None:
        if not TMPFS.is_mount():
            raise BenchmarkError(f"{TMPFS}, where etcd's data would be in memory, is no file system of its own")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="etcd-", dir=TMPFS))
        self.members = [EtcdNode(f"node {number} of {self.name}", self.folder) for number in range(1, size + 1)]
        for node in self.members:
            self.launch(node)
        self.leader(voters=size)

    def launch(self, node: EtcdNode) -> None:
        def peer_url(node: EtcdNode) -> str:
            return f"http://127.0.0.1:{node.peer_port}"

        url = f"http://127.0.0.1:{node.port}"
        node.launch([
            "etcd", "--logger", "zap", "--log-level", "error", "--name", node.data.name, "--data-dir", str(node.data),
            "--listen-client-urls", url, "--advertise-client-urls", url,
            "--listen-peer-urls", peer_url(node), "--initial-advertise-peer-urls", peer_url(node),
            "--initial-cluster", ",".join(f"{member.data.name}={peer_url(member)}" for member in self.members),
            "--initial-cluster-token", self.folder.name, *self.flags,
        ])  # fmt: skip
        self.nodes.append(node)

    def agreed_leader(self, voters: int) -> Node | None:
        answers = [node.status() for node in self.nodes]
        ids = [answer["header"]["member_id"] for answer in answers]
        leaders = {answer.get("leader") for answer in answers}
        if len(ids) == voters and len(leaders) == 1 and leaders <= set(ids):
            return self.nodes[ids.index(leaders.pop())]
        return None

    def replace(self, killed: EtcdNode) -> None:
        """Starts the same node again, with what it had written: etcd's members outlive their processes."""
        self.launch(killed)
        self.leader()

    def term(self, node: EtcdNode) -> int:
        return int(node.status()["raftTerm"])

    def keys(self, node: EtcdNode) -> int:
        # "\0" for both ends: all keys.
        answer = ask(node.port, "POST", "/v3/kv/range", {"key": "AA==", "range_end": "AA==", "count_only": True})
        return int(answer.get("count", 0))

    def __exit__(self, *_):
        super().__exit__()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

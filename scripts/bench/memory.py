"""Resident memory for each entry of a store: on a follower, and in Redis."""

import dataclasses
import socket
import tempfile
import time

import load
from clusters import wait_for
from servers import BenchmarkError, Process, free_port
from spindrift_cluster import SpindriftCluster

KEY_DIGITS = 12  # and 4 letters: 16 bytes
VALUE_BYTES = 100
# Stored before the first look, so that what any use of a server costs is not taken for the entries' cost.
FIRST_KEYS = 1000
# What is given back to the system a little later is not counted.
SETTLE_SECONDS = 3.0
REDIS_PIPELINE = 10_000


@dataclasses.dataclass
class Memory:
    """What a process had resident with few keys, with all, and with twice as many."""

    few_bytes: int
    all_bytes: int
    twice_bytes: int
    keys: int

    def per_entry(self) -> float:
        return (self.all_bytes - self.few_bytes) / (self.keys - FIRST_KEYS)

    def per_further_entry(self) -> float:
        return (self.twice_bytes - self.all_bytes) / self.keys

    def worse(self) -> float:
        """An allocator may keep what a process freed after its start, and the first entries then seem to cost less."""
        return max(self.per_entry(), self.per_further_entry())


def of_cluster(cluster: SpindriftCluster, keys: int, when_all_are_stored) -> dict[str, Memory]:
    """Stores keys in a cluster that is empty, through its leader; what its leader and a follower need for them."""
    nodes = {"spindrift, follower": cluster.followers()[0], "spindrift, leader": cluster.leader()}

    def stored(count: int) -> dict[str, int]:
        store(cluster, count)
        time.sleep(SETTLE_SECONDS)
        return {name: node.resident_bytes() for name, node in nodes.items()}

    few, all_keys = stored(FIRST_KEYS), stored(keys)
    when_all_are_stored()
    twice = stored(2 * keys)
    return {name: report(name, Memory(few[name], all_keys[name], twice[name], keys)) for name in nodes}


def store(cluster: SpindriftCluster, keys: int) -> None:
    leader = cluster.leader()
    load.fill(leader.port, lambda: cluster.keys(leader), keys=keys, digits=KEY_DIGITS)
    for node in cluster.nodes:
        wait_for(f"{node.name} holds {keys} keys", lambda: cluster.keys(node) >= keys, cluster.check)


def of_redis(keys: int) -> Memory:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        redis = Process("redis-server", folder)
        redis.launch(["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"])
        try:
            connection = wait_for(
                "redis-server", lambda: socket.create_connection(("127.0.0.1", port), timeout=30), redis.check_that_it_runs
            )
            with connection:
                resident = []
                for first, end in ((0, FIRST_KEYS), (FIRST_KEYS, keys), (keys, 2 * keys)):
                    set_keys(connection, first, end)
                    time.sleep(SETTLE_SECONDS)
                    resident.append(redis.resident_bytes())
                connection.sendall(b"DBSIZE\r\n")
                answer = connection.recv(100)
                if answer != b":%d\r\n" % (2 * keys):
                    raise BenchmarkError(f"redis-server says {answer!r} instead of {2 * keys} keys")
            return report("redis-server", Memory(*resident, keys))
        finally:
            redis.stop()


def set_keys(connection: socket.socket, first: int, end: int) -> None:
    for start in range(first, end, REDIS_PIPELINE):
        numbers = range(start, min(start + REDIS_PIPELINE, end))
        connection.sendall(b"".join(set_command(number) for number in numbers))
        expected = len(b"+OK\r\n") * len(numbers)
        answers = b""
        while len(answers) < expected:
            received = connection.recv(1 << 16)
            if not received:
                raise BenchmarkError("redis-server has closed the connection")
            answers += received
        if answers != b"+OK\r\n" * len(numbers):
            raise BenchmarkError(f"redis-server does not take SET: {answers[:200]!r}")


def set_command(number: int) -> bytes:
    key, value = b"key-%0*d" % (KEY_DIGITS, number), b"v" * (VALUE_BYTES - KEY_DIGITS) + b"%0*d" % (KEY_DIGITS, number)
    return b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(key), key, len(value), value)


def report(name: str, memory: Memory) -> Memory:
    few, all_keys, twice = (size / 2**20 for size in (memory.few_bytes, memory.all_bytes, memory.twice_bytes))
    print(
        f"memory  {name:<20} {memory.per_entry():.0f} bytes an entry, {memory.per_further_entry():.0f} a further one "
        f"({few:.0f}, {all_keys:.0f}, {twice:.0f} MiB)",
        flush=True,
    )
    return memory

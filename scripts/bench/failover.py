"""How long a cluster acknowledges no write after its leader was killed."""

import dataclasses
import os
import time

from clusters import Cluster
from paced import PacedWriter, Write
from servers import BenchmarkError

# Through each of the two survivors: what is measured is exact to that many milliseconds.
WRITES_PER_SECOND = 400
SETTLED_SECONDS = 1.0
WATCHED_SECONDS = 3.0
LIMIT_SECONDS = 30.0


@dataclasses.dataclass
class Failover:
    without_writes_ms: float
    # Of those begun after the kill, within the time-out of paced.py.
    not_acknowledged: int
    writes: int


def measure(clusters: list, times: int) -> dict[str, list[Failover]]:
    """Kills each cluster's leader so many times. `clusters` are functions that make one; one runs at a time."""
    found = {}
    for make in clusters:
        with make() as cluster:
            cluster.start()
            of_cluster = found.setdefault(cluster.name, [])
            for number in range(times):
                one = kill_leader(cluster)
                of_cluster.append(one)
                print(
                    f"kill {number + 1}/{times}  {cluster.name:<28} {one.without_writes_ms:>6.0f} ms without writes; of "
                    f"{one.writes} begun after it, {one.not_acknowledged} not acknowledged  (load {os.getloadavg()[0]:.1f})",
                    flush=True,
                )
    return found


def kill_leader(cluster: Cluster) -> Failover:
    leader = cluster.leader()
    survivors = [node for node in cluster.nodes if node is not leader]
    with PacedWriter([node.port for node in survivors], cluster.api, WRITES_PER_SECOND) as writer:
        time.sleep(SETTLED_SECONDS)
        killed_at = time.monotonic()
        cluster.kill(leader)
        deadline = killed_at + LIMIT_SECONDS
        while not settled(writer.acknowledged(), killed_at):
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{cluster.name} acknowledged no write for {LIMIT_SECONDS:.0f} s after a kill")
            time.sleep(0.05)
    cluster.replace(leader)
    after = [write for write in writer.done if write.began > killed_at]
    return Failover(
        without_writes_ms=longest_silence(writer.acknowledged(), killed_at) * 1000,
        not_acknowledged=sum(not write.acknowledged for write in after),
        writes=len(after),
    )


def settled(acknowledged: list[Write], killed_at: float) -> bool:
    """Whether the cluster has been watched for long enough, and acknowledges writes again."""
    now = time.monotonic()
    recent = [write for write in acknowledged if write.began > killed_at and write.ended > now - SETTLED_SECONDS]
    return now > killed_at + WATCHED_SECONDS and bool(recent) and recent[0].ended < now - SETTLED_SECONDS / 2


def longest_silence(acknowledged: list[Write], killed_at: float) -> float:
    """In seconds. Writes that were as good as done may be acknowledged after the kill, so it need not begin with it."""
    moments = [killed_at, *sorted(write.ended for write in acknowledged if write.ended > killed_at)]
    return max(later - earlier for earlier, later in zip(moments, moments[1:]))

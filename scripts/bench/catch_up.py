"""What a learner that joins a full store costs the writes of the leader."""

import dataclasses
import os
import time

from clusters import wait_for
from paced import PacedWriter, Write
from servers import BenchmarkError
from spindrift_cluster import SpindriftCluster

# Few enough for the machine to have time left: what is measured is what the learner adds, not how a queue grows.
WRITES_PER_SECOND = 1000
BEFORE_SECONDS = 10.0
LIMIT_SECONDS = 180.0


@dataclasses.dataclass
class CatchUp:
    """Latencies of writes through the leader, in microseconds."""

    before_p50_us: float
    before_p99_us: float
    during_p50_us: float
    during_p99_us: float
    during_worst_us: float
    seconds: float
    not_acknowledged: int


def measure(cluster: SpindriftCluster) -> CatchUp:
    """Adds a learner to a cluster of voters, and removes it again."""
    leader = cluster.leader()
    term = cluster.term(leader)
    with PacedWriter([leader.port], cluster.api, WRITES_PER_SECOND) as writer:
        time.sleep(1 + BEFORE_SECONDS)
        before_end = time.monotonic()
        learner = cluster.add(*cluster.seeds())
        wait_for(f"{learner.name} answers", learner.status, cluster.check)
        joins_at = time.monotonic()
        wait_for(f"{learner.name} has caught up", lambda: cluster.caught_up(learner), cluster.check, LIMIT_SECONDS)
        caught_up_at = time.monotonic()
    failed = [write for write in writer.done if not write.acknowledged]
    for write in failed[:10]:
        print(
            f"not acknowledged: {write.answer} after {write.ended - write.began:.3f} s, begun {write.began - joins_at:.3f} s "
            "after the learner's process answered",
            flush=True,
        )
    if cluster.term(leader) != term:
        raise BenchmarkError("there was an election while a learner joined")
    cluster.nodes.remove(learner)
    learner.stop()
    before = latencies_us(writer.done, before_end - BEFORE_SECONDS, before_end)
    during = latencies_us(writer.done, joins_at, caught_up_at)
    found = CatchUp(
        before_p50_us=quantile(before, 0.5),
        before_p99_us=quantile(before, 0.99),
        during_p50_us=quantile(during, 0.5),
        during_p99_us=quantile(during, 0.99),
        during_worst_us=during[-1],
        seconds=caught_up_at - joins_at,
        not_acknowledged=len(failed),
    )
    print(
        f"learner joins: caught up in {found.seconds:.1f} s; p99 of writes {found.before_p99_us / 1000:.2f} ms before, "
        f"{found.during_p99_us / 1000:.2f} ms meanwhile, worst {found.during_worst_us / 1000:.2f} ms; p50 "
        f"{found.before_p50_us / 1000:.2f} and {found.during_p50_us / 1000:.2f} ms  (load {os.getloadavg()[0]:.1f})",
        flush=True,
    )
    return found


def latencies_us(writes: list[Write], begin: float, end: float) -> list[float]:
    """Those of the writes under way at any time from `begin` to `end`, in ascending order."""
    return sorted((write.ended - write.began) * 1e6 for write in writes if write.ended > begin and write.began < end)


def quantile(ascending: list[float], part: float) -> float:
    return ascending[min(int(len(ascending) * part), len(ascending) - 1)]

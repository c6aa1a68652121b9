"""What `cluster.py` found, as sections of the Markdown page `docs/benchmarks.md`."""

import statistics

import pairs
from memory import FIRST_KEYS
from throughput import LOCAL, OPERATIONS, WAYS, Case

# operation -> the least ratio of requests a second, spindrift to etcd, that this project wants
ETCD_GOALS = {"PUT": 3.0, "GET": 4.0}
LOCAL_PUT_GOAL = 0.5
LEADER_CPU_GOAL = 0.05
MEDIAN_FAILOVER_GOAL_MS = 700
WORST_FAILOVER_GOAL_MS = 1500
CATCH_UP_GOAL = 3.0
TLS_GOAL = 0.05
AGAINST_GOAL = 0.02


def throughput(found: dict, options, origin: str) -> str:
    parts = [
        "## Cluster: throughput",
        origin,
        "Three nodes of each on the loopback interface, which share the machine with the load; one cluster runs at a time. "
        "etcd is Debian's with its data on a tmpfs, through its JSON gateway (`/v3/kv/put`, `/v3/kv/range`). Reads of both "
        f"are linearizable; 10,000 keys, values of 100 bytes. `wrk` on {options.threads} threads at most; a number is the "
        f"median over {options.rounds} rounds of {options.seconds} seconds.",
    ]
    for operation in OPERATIONS:
        parts.append(etcd_table(operation, found, options))
    parts += ["### A replicated write and a local one", local_table(found, options)]
    parts += [
        "### What a follower's linearizable read costs the leader",
        "CPU time of the processes over the reads answered by a follower. What the leader spends on heartbeats is in it.",
        leader_cost_table(found, options),
    ]
    return "\n\n".join(parts)


def etcd_table(operation: str, found: dict, options) -> str:
    goal = ETCD_GOALS[operation]
    lines = [
        f"| {operation} through | connections | spindrift, requests/s | p50 | p99 | etcd, requests/s | p50 | p99 "
        f"| ratio (goal: at least {goal:g}) | |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for way in WAYS:
        for connections in options.connections:
            ours, theirs = (found.get(Case(name, operation, way, connections)) for name in ("spindrift", "etcd"))
            if ours and theirs:
                ratio = ours.requests_per_second / theirs.requests_per_second
                cells = [f"{'the' if way == 'leader' else 'a'} {way}", f"{connections}", *numbers(ours), *numbers(theirs)]
                lines.append(f"| {' | '.join(cells)} | {ratio:.2f} | {verdict(ratio >= goal)} |")
    return "\n".join(lines)


def local_table(found: dict, options) -> str:
    lines = [
        f"| connections | replicated PUT/s | local PUT/s | ratio (goal: at least {LOCAL_PUT_GOAL:g}) | |",
        "| ---: | ---: | ---: | ---: | --- |",
    ]
    for connections in options.connections:
        ours = found.get(Case("spindrift", "PUT", "leader", connections))
        local = found.get(Case(LOCAL, "PUT", "leader", connections))
        if ours and local:
            ratio = ours.requests_per_second / local.requests_per_second
            lines.append(
                f"| {connections} | {ours.requests_per_second:,.0f} | {local.requests_per_second:,.0f} | {ratio:.2f} "
                f"| {verdict(ratio >= LOCAL_PUT_GOAL)} |"
            )
    return "\n".join(lines)


def leader_cost_table(found: dict, options) -> str:
    lines = [
        f"| connections | follower, CPU per read | leader, CPU per read | ratio (goal: under {LEADER_CPU_GOAL:.0%}) | |",
        "| ---: | ---: | ---: | ---: | --- |",
    ]
    for connections in options.connections:
        one = found.get(Case("spindrift", "GET", "follower", connections))
        if one:
            ratio = one.leader_cpu_us / one.node_cpu_us
            lines.append(
                f"| {connections} | {one.node_cpu_us:.1f} µs | {one.leader_cpu_us:.1f} µs | {ratio:.1%} "
                f"| {verdict(ratio < LEADER_CPU_GOAL)} |"
            )
    return "\n".join(lines)


def tls(found: dict, options, origin: str) -> str:
    return "\n\n".join([
        "## Cluster: TLS between the nodes",
        origin,
        "Three nodes without a cluster token, and three with one, which speak TLS 1.3 to each other. " + pairs.how(options),
        pairs.table(found, ("without a token", "with one"), TLS_GOAL),
    ])  # fmt: skip


def against(found: dict, other: str, options, origin: str) -> str:
    return "\n\n".join([
        "## Cluster: against an earlier program",
        origin,
        f"The program of commit {other} and this one, one node of each and three. " + pairs.how(options),
        pairs.table(found, (other, "this one"), AGAINST_GOAL),
    ])  # fmt: skip


def failover(found: dict, origin: str) -> str:
    lines = [
        "| | kills | median | worst | least | writes not acknowledged |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, of_cluster in found.items():
        times = [one.without_writes_ms for one in of_cluster]
        lost, writes = sum(one.not_acknowledged for one in of_cluster), sum(one.writes for one in of_cluster)
        lines.append(
            f"| {name} | {len(times)} | {statistics.median(times):.0f} ms | {max(times):.0f} ms | {min(times):.0f} ms "
            f"| {lost} of {writes:,} |"
        )
    parts = [
        "## Cluster: failover",
        origin,
        "The longest time without an acknowledged write after the leader of three nodes is killed (SIGKILL), while clients "
        "begin a write through each of the two others every 5 ms and wait 2 s for it. After each kill the node is replaced, "
        "and the next one waits until the new one votes. Spindrift runs with `--evict-after 2s`, so that it need not wait "
        "for half a minute; a killed etcd node is started again with its data. *Not acknowledged* are those of the writes "
        "begun after the kill that were refused or took longer.",
        "\n".join(lines),
    ]
    if "spindrift" in found:
        times = [one.without_writes_ms for one in found["spindrift"]]
        middle, worst = statistics.median(times), max(times)
        parts.append(
            "| what | goal | measured | |\n| --- | --- | --- | --- |\n"
            f"| median | under {MEDIAN_FAILOVER_GOAL_MS} ms | {middle:.0f} ms | {verdict(middle < MEDIAN_FAILOVER_GOAL_MS)} |\n"
            f"| worst | under {WORST_FAILOVER_GOAL_MS} ms | {worst:.0f} ms | {verdict(worst < WORST_FAILOVER_GOAL_MS)} |"
        )
    return "\n\n".join(parts)


def large_store(memory: dict, catch_up, keys: int, origin: str) -> str:
    lines = [
        f"| | bytes per entry, the first {keys:,} | the next {keys:,} "
        f"| resident with {FIRST_KEYS:,}, {keys:,}, {2 * keys:,} entries |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, one in memory.items():
        resident = ", ".join(f"{size / 2**20:.0f}" for size in (one.few_bytes, one.all_bytes, one.twice_bytes))
        lines.append(f"| {name} | {one.per_entry():.0f} | {one.per_further_entry():.0f} | {resident} MiB |")
    ours, redis = memory["spindrift, follower"].worse(), memory["redis-server"].worse()
    ratio = catch_up.during_p99_us / catch_up.before_p99_us
    return "\n\n".join([
        "## Cluster: a large store",
        origin,
        "Entries with keys of 16 and values of 100 bytes, written through the leader of three nodes. How much the resident "
        "memory of a process grows with them, over their number; the log is in it. A process may have memory at hand that it "
        "used at its start, so the next entries are looked at too, and the goal is for the larger of the two numbers. Redis is "
        "Debian's, without persistence.",
        "\n".join(lines),
        f"A learner joins the store of {keys:,} entries, while the leader gets 1,000 writes a second from elsewhere. Its "
        "catching up begins when its process answers: before that it takes the machine's time as any process that starts.",
        "| writes through the leader | p50 | p99 | worst |\n| --- | ---: | ---: | ---: |\n"
        f"| before | {milliseconds(catch_up.before_p50_us)} | {milliseconds(catch_up.before_p99_us)} | |\n"
        f"| while the learner catches up, {catch_up.seconds:.1f} s | {milliseconds(catch_up.during_p50_us)} "
        f"| {milliseconds(catch_up.during_p99_us)} | {milliseconds(catch_up.during_worst_us)} |",
        f"Writes that were not acknowledged within 2 s: {catch_up.not_acknowledged}.",
        "| what | goal | measured | |\n| --- | --- | --- | --- |\n"
        f"| bytes per entry on a follower | no more than Redis, {redis:.0f} | {ours:.0f} | {verdict(ours <= redis)} |\n"
        f"| p99 of writes while a learner catches up : before | at most {CATCH_UP_GOAL:g} | {ratio:.2f} "
        f"| {verdict(ratio <= CATCH_UP_GOAL)} |",
    ])  # fmt: skip


def numbers(one) -> list[str]:
    return [f"{one.requests_per_second:,.0f}", milliseconds(one.p50_us), milliseconds(one.p99_us)]


def milliseconds(microseconds: float) -> str:
    return f"{microseconds / 1000:.2f} ms"


def verdict(reached: bool) -> str:
    return "reached" if reached else "not reached"

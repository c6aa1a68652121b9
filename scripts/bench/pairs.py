"""What one of two servers costs more than the other, under the same load. Both run all the time, and the load goes to one and
then the other for a second each, over and over: what else the machine does meets both alike, and a ratio is one of two
measurements that were made within seconds."""

import contextlib
import dataclasses
import os
import statistics

import load
from servers import BenchmarkError, running
from throughput import OPERATIONS, WAYS, store_all_keys

SECONDS = 1


@dataclasses.dataclass(frozen=True)
class Case:
    """Where a load goes. `way` is one of WAYS for a cluster, and nothing for one node."""

    operation: str
    way: str | None
    connections: int

    def __str__(self) -> str:
        if self.way is None:
            return f"{self.operation}, one node"
        return f"{self.operation} through {'the' if self.way == 'leader' else 'a'} {self.way}"


@dataclasses.dataclass(frozen=True)
class Run:
    """One second of one server."""

    requests_per_second: float
    # Of all its processes.
    cpu_us: float


@dataclasses.dataclass
class Compared:
    """What was measured in one case: of each turn the first server's and the second one's."""

    turns: list[tuple[Run, Run]] = dataclasses.field(default_factory=list)

    def requests_per_second(self, which: int) -> float:
        return statistics.median(turn[which].requests_per_second for turn in self.turns)

    def cpu_us(self, which: int) -> float:
        return statistics.median(turn[which].cpu_us for turn in self.turns)

    def lost(self) -> tuple[float, float, float]:
        """The part of the throughput that the second one lacks: the median over the turns, between the quartiles."""
        return quartiles([1 - second.requests_per_second / first.requests_per_second for first, second in self.turns])

    def more_cpu(self) -> tuple[float, float, float]:
        """The part by which its CPU time for a request is larger."""
        return quartiles([second.cpu_us / first.cpu_us - 1 for first, second in self.turns])


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """The lower quartile, the median and the upper quartile."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
    return lower, statistics.median(values), upper


def of_clusters(makers: list, options) -> dict[Case, Compared]:
    """Two clusters, each made by a function. Every round starts them anew, the other one first."""
    found: dict[Case, Compared] = {}
    for number in range(options.rounds):
        with contextlib.ExitStack() as stack:
            clusters = [stack.enter_context(make()) for make in makers]
            for cluster in clusters if number % 2 == 0 else reversed(clusters):
                cluster.start()
                store_all_keys(cluster, cluster.leader())
            for case in cases(WAYS, options):

                def server(cluster):
                    # Leadership may have moved under the load before.
                    leader, follower = cluster.leader(), cluster.followers()[0]
                    node = leader if case.way == "leader" else follower
                    return cluster.name, node.port, cluster.nodes, lambda: cluster.term(leader)

                take_turns([server(cluster) for cluster in clusters], case, number, found, options)
    return found


def of_single_nodes(servers: list, options) -> dict[Case, Compared]:
    """Two servers that stand alone. Every round starts them anew, the other one first."""
    found: dict[Case, Compared] = {}
    for number in range(options.rounds):
        with contextlib.ExitStack() as stack:
            for server in servers if number % 2 == 0 else reversed(servers):
                stack.enter_context(running(server))
                load.store_all_keys(server.name, server.port)
            for case in cases((None,), options):
                loaded = [(server.name, server.port, [server], lambda: None) for server in servers]
                take_turns(loaded, case, number, found, options)
    return found


def cases(ways: tuple, options) -> list[Case]:
    return [
        Case(operation, way, connections)
        for operation in OPERATIONS
        for way in ways
        for connections in options.connections
    ]


def take_turns(servers: list, case: Case, number: int, found: dict, options) -> None:
    """Loads two servers in turn. Each is its name, its port, its processes, and a function that tells its term."""
    compared = found.setdefault(case, Compared())
    for server in servers:
        run(server, case, options)  # warm
    first_turn = len(compared.turns)
    for turn in range(options.turns):
        runs: list = [None, None]
        # The one that was last is first next: what changes over time meets both alike.
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            runs[which] = run(servers[which], case, options)
        compared.turns.append(tuple(runs))
    of_round = Compared(compared.turns[first_turn:])
    print(
        f"round {number + 1}/{options.rounds}  {case!s:<26} {case.connections:>3} connections  "
        + "  ".join(
            f"{servers[which][0]}: {of_round.requests_per_second(which):,.0f}/s, {of_round.cpu_us(which):.1f} µs"
            for which in (0, 1)
        )
        + f"  lost {spread(of_round.lost())}, more CPU {spread(of_round.more_cpu())}  (load {os.getloadavg()[0]:.1f})",
        flush=True,
    )


def run(server: tuple, case: Case, options) -> Run:
    name, port, processes, term = server
    before, of_term = sum(one.cpu_seconds() for one in processes), term()
    result = load.load(
        name, port, case.operation, connections=case.connections, threads=options.threads, seconds=SECONDS
    )
    if term() != of_term:
        raise BenchmarkError(f"{case} on {name}: there was an election meanwhile")
    cpu_seconds = sum(one.cpu_seconds() for one in processes) - before
    return Run(
        requests_per_second=result["requests"] / (result["microseconds"] / 1e6),
        cpu_us=cpu_seconds * 1e6 / result["requests"],
    )


def spread(values: tuple[float, float, float]) -> str:
    lower, middle, upper = values
    return f"{middle:.1%} ({lower:.1%} to {upper:.1%})"


def table(found: dict[Case, Compared], names: tuple[str, str], goal: float) -> str:
    """`names` are what the two servers are called in the head of the table."""
    lines = [
        f"| | connections | {names[0]}, requests/s | {names[1]}, requests/s | CPU per request "
        f"| throughput lost (goal: under {goal:.0%}) | more CPU per request | |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for case, compared in found.items():
        lost = compared.lost()
        lines.append(
            f"| {case} | {case.connections} | {compared.requests_per_second(0):,.0f} | {compared.requests_per_second(1):,.0f} "
            f"| {compared.cpu_us(0):.1f}, {compared.cpu_us(1):.1f} µs | {spread(lost)} | {spread(compared.more_cpu())} "
            f"| {'reached' if lost[1] < goal else 'not reached'} |"
        )
    return "\n".join(lines)


def how(options) -> str:
    """How it was measured, as the page says it."""
    return (
        f"Both run at the same time, and the load of the throughput above goes to one and then the other, for {SECONDS} s each. "
        f"A number is the median over {options.rounds} starts of both and {options.turns} turns after each; of the throughput "
        "that is lost, and of the CPU time of all nodes for a request, it is the median of the turns' ratios, with their "
        "quartiles. A cost below zero is noise."
    )

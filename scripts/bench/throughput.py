"""Requests a second of clusters, through the leader and through a follower, and what they cost; and of a single node."""

import dataclasses
import os
import statistics

import load
from clusters import Cluster, wait_for
from servers import BenchmarkError, Process, Server, running

OPERATIONS = ("PUT", "GET")
WAYS = ("leader", "follower")
LOCAL = "spindrift, one node"


@dataclasses.dataclass
class Measured:
    """One run of wrk, or the medians of several."""

    requests_per_second: float
    p50_us: float
    p99_us: float
    # Of the node that took the requests, of the leader, and of all nodes.
    node_cpu_us: float
    leader_cpu_us: float
    all_cpu_us: float


@dataclasses.dataclass(frozen=True)
class Case:
    server: str
    operation: str
    way: str
    connections: int


def measure(clusters: list, local: Server, options) -> dict[Case, Measured]:
    """The medians over the rounds. One cluster runs at a time; a round's order is the last one's, turned by one.

    `clusters` are functions that make one."""
    found: dict[Case, list[Measured]] = {}
    runs = [lambda make=make: of_cluster(make(), options) for make in clusters]
    if local is not None:
        runs.append(lambda: of_local(local, options))
    for number in range(options.rounds):
        turn = number % len(runs)
        for run in runs[turn:] + runs[:turn]:
            for case, one in run():
                found.setdefault(case, []).append(one)
                print(
                    f"round {number + 1}/{options.rounds}  {case.operation}  {case.server:<20} {case.way:<8} "
                    f"{case.connections:>3} connections {one.requests_per_second:>9,.0f}/s  "
                    f"p50 {one.p50_us / 1000:.2f} ms  p99 {one.p99_us / 1000:.2f} ms  CPU: node {one.node_cpu_us:.1f}, "
                    f"leader {one.leader_cpu_us:.1f}, all {one.all_cpu_us:.1f} µs  (load {os.getloadavg()[0]:.1f})",
                    flush=True,
                )
    return {case: median(of) for case, of in found.items()}


def of_cluster(cluster: Cluster, options):
    with cluster:
        cluster.start()
        leader = cluster.leader()
        store_all_keys(cluster, leader)
        for operation in OPERATIONS:
            for way in WAYS:
                for connections in options.connections:
                    # Leadership may have moved under the load before.
                    leader, follower = cluster.leader(), cluster.followers()[0]
                    node, term = leader if way == "leader" else follower, cluster.term(leader)
                    one = run(cluster.name, node.port, operation, connections, options, cluster.api, node, leader, cluster.nodes)
                    if cluster.term(leader) != term:
                        raise BenchmarkError(f"{operation} on {cluster.name}: there was an election meanwhile")
                    yield Case(cluster.name, operation, way, connections), one


def of_local(server: Server, options):
    with running(server):
        load.store_all_keys(server.name, server.port)
        for operation in OPERATIONS:
            for connections in options.connections:
                one = run(server.name, server.port, operation, connections, options, "spindrift", server, server, [server])
                yield Case(server.name, operation, "leader", connections), one


def store_all_keys(cluster: Cluster, leader) -> None:
    load.fill(leader.port, lambda: cluster.keys(leader), api=cluster.api)
    for node in cluster.nodes:
        wait_for(f"{node.name} has all keys", lambda: cluster.keys(node) == load.KEYS, cluster.check)


def run(name, port, operation, connections, options, api, node: Process, leader: Process, nodes: list) -> Measured:
    wrk = {"connections": connections, "threads": options.threads, "api": api}
    load.load(name, port, operation, seconds=1, **wrk)  # warm
    before = {one: one.cpu_seconds() for one in nodes}
    result = load.load(name, port, operation, seconds=options.seconds, **wrk)
    cpu_us = {one: (one.cpu_seconds() - before[one]) * 1e6 / result["requests"] for one in nodes}
    return Measured(
        requests_per_second=result["requests"] / (result["microseconds"] / 1e6),
        p50_us=result["p50_us"],
        p99_us=result["p99_us"],
        node_cpu_us=cpu_us[node],
        leader_cpu_us=cpu_us[leader],
        all_cpu_us=sum(cpu_us.values()),
    )


def median(measurements: list[Measured]) -> Measured:
    """The median of each number for itself."""
    rows = [dataclasses.astuple(one) for one in measurements]
    return Measured(*(statistics.median(column) for column in zip(*rows)))

"""Compares a cluster of spindrift nodes with etcd, a single node, Redis and another cluster of them. `scripts/bench.sh
cluster` builds everything and calls this; `scripts/bench.sh cluster --help` lists the options. Standard library only."""

import argparse
import http.client
import os
import pathlib
import re
import secrets
import shlex
import signal
import subprocess
import sys
import tempfile

import catch_up
import cluster_page
import failover
import memory
import page
import pairs
import throughput
from etcd_cluster import EtcdCluster
from servers import BenchmarkError, Server
from spindrift_cluster import SpindriftCluster

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
PARTS = ("throughput", "tls", "failover", "large")
# Only when it is asked for: it needs another program.
AGAINST = "against"


def arguments(given: list[str]) -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(one) for one in text.split(",")]

    def named_program(text: str) -> tuple[str, str]:
        name, _, program = text.partition("=")
        if not os.access(program, os.X_OK):
            raise argparse.ArgumentTypeError(f"{text!r}: no program, such as 351c78e=/tmp/spindrift")
        return name, program

    parser = argparse.ArgumentParser(
        prog="scripts/bench.sh cluster", description="Compares a cluster of spindrift nodes with etcd, a single node and Redis."
    )
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of %(default)s, each a section of the page (default: all), and {AGAINST}")
    parser.add_argument("--rounds", type=int, default=5, help="of throughput over all servers, and starts of those that take turns (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement of throughput (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=5, help="of a second each, for tls and against, in each round and case (default: %(default)s)")
    parser.add_argument("--against", type=named_program, metavar="COMMIT=PROGRAM", help=f"the program that {AGAINST} compares with, and where it is from")
    parser.add_argument("--connections", type=numbers, default="1,32,256", help="for throughput (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of wrk (default: %(default)s)")
    parser.add_argument("--servers", default="spindrift,local,etcd", help="for throughput and failover, some of %(default)s; with fewer, nothing is written unless --output is given")
    parser.add_argument("--kills", type=int, default=20, help="of each cluster's leader (default: %(default)s)")
    parser.add_argument("--keys", type=int, default=1_000_000, help="of the large store (default: %(default)s)")
    parser.add_argument("--output", type=pathlib.Path, help="the page whose sections to write (default: docs/benchmarks.md)")
    parser.add_argument("--pgo", action="store_true", help="measure the program that scripts/pgo.sh builds, which takes half an hour longer")
    # What bench.sh built.
    parser.add_argument("--spindrift-program", default="", help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    options.parts, options.servers = options.parts.split(","), options.servers.split(",")
    for name, known in (("parts", (*PARTS, AGAINST)), ("servers", ("spindrift", "local", "etcd"))):
        unknown = set(getattr(options, name)) - set(known)
        if unknown:
            parser.error(f"--{name}: there is no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if AGAINST in options.parts and options.against is None:
        parser.error(f"--parts {AGAINST} needs --against")
    if min(options.rounds, options.turns, options.seconds, options.kills, options.threads, *options.connections) < 1:
        parser.error("at least one round, turn, second, kill, thread and connection")
    if options.keys <= memory.FIRST_KEYS:
        parser.error(f"--keys: more than {memory.FIRST_KEYS}")
    if options.output is None and len(options.servers) == 3:
        options.output = CHECKOUT / "docs" / "benchmarks.md"
    return options


def run_throughput(options, origin: str) -> str:
    clusters = []
    if "spindrift" in options.servers:
        clusters.append(lambda: SpindriftCluster(options.spindrift_program))
    if "etcd" in options.servers:
        clusters.append(EtcdCluster)
    alone = local(throughput.LOCAL, options.spindrift_program) if "local" in options.servers else None
    return cluster_page.throughput(throughput.measure(clusters, alone, options), options, origin)


def local(name: str, program: str) -> Server:
    """One node, which replicates nothing."""
    command = [program, "up", "--quiet", "--log-level", "warn", "-f", "spin.toml", "--listen", "127.0.0.1:{port}"]
    return Server(name, command, CHECKOUT)


def run_tls(options, origin: str) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".token") as token:
        token.write(secrets.token_hex(32))
        token.flush()
        flags = ("--cluster-token-file", token.name)
        clusters = [
            lambda: SpindriftCluster(options.spindrift_program, name="without a token"),
            lambda: SpindriftCluster(options.spindrift_program, flags, "with one"),
        ]
        return cluster_page.tls(pairs.of_clusters(clusters, options), options, origin)


def run_against(options, origin: str) -> str:
    other, program = options.against
    programs = {other: program, "this one": options.spindrift_program}
    found = pairs.of_single_nodes([local(name, program) for name, program in programs.items()], options)
    clusters = [lambda name=name, program=program: SpindriftCluster(program, name=name) for name, program in programs.items()]
    return cluster_page.against(found | pairs.of_clusters(clusters, options), other, options, origin)


def run_failover(options, origin: str) -> str:
    clusters = []
    if "spindrift" in options.servers:
        clusters.append(lambda: SpindriftCluster(options.spindrift_program, ("--evict-after", "2s")))
    if "etcd" in options.servers:
        clusters.append(EtcdCluster)
        # The intervals that spindrift has unless it is told otherwise.
        as_ours = ("--heartbeat-interval", "50", "--election-timeout", "300")
        clusters.append(lambda: EtcdCluster(as_ours, "etcd with spindrift's intervals"))
    return cluster_page.failover(failover.measure(clusters, options.kills), origin)


def run_large(options, origin: str) -> str:
    with SpindriftCluster(options.spindrift_program) as cluster:
        cluster.start()
        learners = []
        found = memory.of_cluster(cluster, options.keys, lambda: learners.append(catch_up.measure(cluster)))
    found["redis-server"] = memory.of_redis(options.keys)
    return cluster_page.large_store(found, learners[0], options.keys, origin)


def versions() -> dict[str, str]:
    return {
        "rustc": page.version_of(["rustc", "--version"]),
        "openraft": page.locked_version(CHECKOUT / "Cargo.lock", "openraft"),
        "etcd": page.version_of(["etcd", "--version"]),
        "redis-server": page.version_of(["redis-server", "--version"]),
        "wrk": page.version_of(["wrk", "-v"]),
    }


def main() -> int:
    # A signal unwinds the stack, so that no server outlives this process.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    given = [one for one in sys.argv[1:] if not re.match("--spindrift-program=", one)]
    options = arguments(sys.argv[1:])
    parts = {"throughput": run_throughput, "tls": run_tls, AGAINST: run_against, "failover": run_failover, "large": run_large}
    for part in options.parts:
        try:
            # Where the other program is says nothing elsewhere.
            command = re.sub(r"(--against[ =]\S+?=)\S+", r"\1PROGRAM", shlex.join(["scripts/bench.sh", "cluster", *given]))
            origin = page.origin(command, versions())
            if options.pgo:
                origin += "\n- spindrift: built by `scripts/pgo.sh`"
            origin += f"\n- load average before: {os.getloadavg()[0]:.1f}"
            text = parts[part](options, origin)
        except (BenchmarkError, OSError, subprocess.TimeoutExpired, http.client.HTTPException) as error:
            print(f"the benchmark failed: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
        print(f"\n{text}\n", flush=True)
        if options.output:
            page.replace_section(options.output, text)
            print(f"written to {options.output}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

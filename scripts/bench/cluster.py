"""Compares a cluster of spindrift nodes with etcd, a single node and Redis. `scripts/bench.sh cluster` builds everything
and calls this; `scripts/bench.sh cluster --help` lists the options. Standard library only."""

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
import throughput
from etcd_cluster import EtcdCluster
from servers import BenchmarkError, Server
from spindrift_cluster import SpindriftCluster

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
PARTS = ("throughput", "tls", "failover", "large")


def arguments(given: list[str]) -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(one) for one in text.split(",")]

    parser = argparse.ArgumentParser(
        prog="scripts/bench.sh cluster", description="Compares a cluster of spindrift nodes with etcd, a single node and Redis."
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="some of %(default)s, each a section of the page (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="of throughput over all servers (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement of throughput (default: %(default)s)")
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
    for name, known in (("parts", PARTS), ("servers", ("spindrift", "local", "etcd"))):
        unknown = set(getattr(options, name)) - set(known)
        if unknown:
            parser.error(f"--{name}: there is no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if min(options.rounds, options.seconds, options.kills, options.threads, *options.connections) < 1:
        parser.error("at least one round, second, kill, thread and connection")
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
    local = None
    if "local" in options.servers:
        quietly = ["--quiet", "--log-level", "warn"]
        command = [options.spindrift_program, "up", *quietly, "-f", "spin.toml", "--listen", "127.0.0.1:{port}"]
        local = Server(throughput.LOCAL, command, CHECKOUT)
    return cluster_page.throughput(throughput.measure(clusters, local, options), options, origin)


def run_tls(options, origin: str) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".token") as token:
        token.write(secrets.token_hex(32))
        token.flush()
        flags = ("--cluster-token-file", token.name)
        clusters = [
            lambda: SpindriftCluster(options.spindrift_program),
            lambda: SpindriftCluster(options.spindrift_program, flags, cluster_page.WITH_TOKEN),
        ]
        return cluster_page.tls(throughput.measure(clusters, None, options), options, origin)


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
    parts = {"throughput": run_throughput, "tls": run_tls, "failover": run_failover, "large": run_large}
    for part in options.parts:
        try:
            origin = page.origin(shlex.join(["scripts/bench.sh", "cluster", *given]), versions())
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

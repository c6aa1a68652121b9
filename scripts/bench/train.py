"""Puts a cluster and a single node under the load of the benchmarks, for a compiler that wants to know what runs often.
`scripts/pgo.sh` builds the program that writes it down, and calls this. Standard library only."""

import http.client
import signal
import subprocess
import sys

import load
import throughput
from cluster import CHECKOUT
from servers import BenchmarkError, Server, running
from spindrift_cluster import SpindriftCluster

CONNECTIONS = (1, 8, 32, 256)
THREADS = 2
SECONDS = 3


def train(name: str, port: int) -> None:
    for operation in throughput.OPERATIONS:
        for connections in CONNECTIONS:
            load.load(name, port, operation, connections=connections, threads=THREADS, seconds=SECONDS)


def main() -> int:
    # A signal unwinds the stack, so that no server outlives this process.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    [program] = sys.argv[1:]
    try:
        with SpindriftCluster(program) as cluster:
            cluster.start()
            throughput.store_all_keys(cluster, cluster.leader())
            for node in (cluster.leader(), cluster.followers()[0]):
                train(node.name, node.port)
        local = Server(throughput.LOCAL, [program, "up", "--quiet", "-f", "spin.toml", "--listen", "127.0.0.1:{port}"], CHECKOUT)
        with running(local):
            load.store_all_keys(local.name, local.port)
            train(local.name, local.port)
    except (BenchmarkError, OSError, subprocess.TimeoutExpired, http.client.HTTPException) as error:
        print(f"the load failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

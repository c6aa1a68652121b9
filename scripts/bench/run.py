"""Compares `spindrift` with its twins under wrk and writes what it found. `scripts/bench.sh` builds everything and calls
this; `scripts/bench.sh --help` lists the options. Standard library only."""

import argparse
import http.client
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import page
import table
from load import KEYS, load, store_all_keys
from servers import BenchmarkError, Server, running

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
KINDS = {
    "spindrift": "spindrift",
    "fresh": "spindrift, fresh instances",
    "native": table.BASE,
    "fastapi": "FastAPI twin",
}


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description="Compares spindrift with its twins under wrk.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds over all servers (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=8, help="of each measurement (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=32, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=2, help="of wrk (default: %(default)s)")
    parser.add_argument("--starts", type=int, default=11, help="of spindrift, for its first request; 0 for none (default: %(default)s)")
    parser.add_argument("--servers", default=",".join(KINDS), help="some of %(default)s; with fewer than all, nothing is written unless --output is given")
    parser.add_argument("--output", type=pathlib.Path, help="the page whose section to write (default: docs/benchmarks.md)")
    # What bench.sh built and installed.
    for name in ("spindrift", "native-twin", "python"):
        parser.add_argument(f"--{name}-program", default="", help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    options.servers = options.servers.split(",")
    unknown = [name for name in options.servers if name not in KINDS]
    if unknown:
        parser.error(f"--servers: no server is called {', '.join(unknown)}; there are {', '.join(KINDS)}")
    if options.rounds < 1 or options.seconds < 1 or options.connections < options.threads or options.starts < 0:
        parser.error("at least one round, one second, and one connection a thread")
    if options.output is None and set(options.servers) == set(KINDS):
        options.output = CHECKOUT / "docs" / "benchmarks.md"
    return options


def make_servers(options: argparse.Namespace) -> dict[str, Server]:
    spindrift = [options.spindrift_program, "up", "--quiet", "-f", "spin.toml", "--listen", "127.0.0.1:{port}"]
    commands = {
        "spindrift": spindrift,
        "fresh": [*spindrift, "--max-instance-reuse-count", "1"],
        "native": [options.native_twin_program, "--listen", "127.0.0.1:{port}"],
        "fastapi": [options.python_program, "-m", "uvicorn", "--app-dir", str(HERE), "fastapi_twin:app",
                    "--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning", "--no-access-log"],
    }  # fmt: skip
    return {KINDS[kind]: Server(KINDS[kind], commands[kind], CHECKOUT) for kind in options.servers}


def measure(server: Server, operation: str, options: argparse.Namespace) -> table.Measurement:
    def run(seconds: int) -> dict:
        return load(
            server.name, server.port, operation,
            connections=options.connections, threads=options.threads, seconds=seconds,
        )  # fmt: skip

    run(1)  # warm
    cpu_before = server.cpu_seconds()
    result = run(options.seconds)
    cpu = server.cpu_seconds() - cpu_before
    return table.Measurement(
        requests_per_second=result["requests"] / (result["microseconds"] / 1e6),
        p50_us=result["p50_us"],
        p99_us=result["p99_us"],
        cpu_us_per_request=cpu * 1e6 / result["requests"],
        resident_mib=server.resident_bytes() / 2**20,
    )


def measure_rounds(servers: dict[str, Server], options: argparse.Namespace) -> dict[str, dict[str, table.Measurement]]:
    """operation -> server -> the medians. One server runs at a time; a round's order is the last one's, turned by one."""
    rounds = {operation: {name: [] for name in servers} for operation in ("GET", "PUT")}
    names = list(servers)
    for number in range(options.rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            with running(servers[name]) as server:
                store_all_keys(server.name, server.port)
                for operation, found in rounds.items():
                    one = measure(server, operation, options)
                    found[name].append(one)
                    print(
                        f"round {number + 1}/{options.rounds}  {operation}  {name:<26} {one.requests_per_second:>9,.0f}/s  "
                        f"p50 {one.p50_us / 1000:.2f} ms  p99 {one.p99_us / 1000:.2f} ms  "
                        f"CPU {one.cpu_us_per_request:.1f} µs  {one.resident_mib:.0f} MiB",
                        flush=True,
                    )
    return {operation: {name: table.median(of) for name, of in found.items()} for operation, found in rounds.items()}


def first_requests(server: Server, starts: int) -> list[float]:
    """Milliseconds from the start of a process to its first 200. One start before these fills the compilation cache."""
    with running(server):
        pass
    found = []
    for _ in range(starts):
        began = time.monotonic()
        with running(server):
            found.append((time.monotonic() - began) * 1000)
    print(f"first request after a start: {', '.join(f'{one:.0f}' for one in found)} ms", flush=True)
    return found


def versions(options: argparse.Namespace) -> dict[str, str]:
    lock = CHECKOUT / "Cargo.lock"
    found = {"rustc": page.version_of(["rustc", "--version"])}
    if {"spindrift", "fresh"} & set(options.servers):
        found["wasmtime"] = page.locked_version(lock, "wasmtime")
    if "native" in options.servers:
        found["axum"] = page.locked_version(lock, "axum")
    if "fastapi" in options.servers:
        found["Python"] = page.version_of([options.python_program, "--version"])
        for package in ("fastapi", "uvicorn"):
            program = f"import importlib.metadata as m; print(m.version({package!r}))"
            found[package] = page.version_of([options.python_program, "-c", program])
    found["wrk"] = page.version_of(["wrk", "-v"])
    return found


def main() -> int:
    # A signal unwinds the stack, so that no server outlives this process.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    options = arguments(sys.argv[1:])
    if shutil.which("wrk") is None:
        print("wrk is not installed", file=sys.stderr)
        return 1
    servers = make_servers(options)
    try:
        first = []
        if options.starts and "spindrift" in options.servers:
            first = first_requests(servers["spindrift"], options.starts)
        results = measure_rounds(servers, options)
    except (BenchmarkError, OSError, subprocess.TimeoutExpired, http.client.HTTPException) as error:
        print(f"the benchmark failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    text = table.section(
        results,
        first,
        command=shlex.join(["scripts/bench.sh", *options_shown(sys.argv[1:])]),
        rounds=options.rounds,
        seconds=options.seconds,
        connections=options.connections,
        threads=options.threads,
        keys=KEYS,
        versions=versions(options),
    )
    print(f"\n{text}")
    if options.output:
        page.replace_section(options.output, text)
        print(f"written to {options.output}")
    return 0


def options_shown(given: list[str]) -> list[str]:
    """The arguments as the caller of bench.sh gave them: without the programs that it added."""
    return [one for one in given if not re.match(r"--(spindrift|native-twin|python)-program=", one)]


if __name__ == "__main__":
    sys.exit(main())

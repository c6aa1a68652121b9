"""What `run.py` found, as a section of the Markdown page `docs/benchmarks.md`."""

import dataclasses
import statistics

import page

BASE = "native twin"

# name of a pair of servers -> the least ratio of requests a second that this project wants, for each operation
GOALS = [
    ("spindrift", BASE, {"GET": 0.5, "PUT": 0.4}),
    ("spindrift", "FastAPI twin", {"GET": 8.0, "PUT": 8.0}),
]
FIRST_REQUEST_GOAL_MS = 150


@dataclasses.dataclass
class Measurement:
    """One round of one operation on one server, or the medians of several."""

    requests_per_second: float
    p50_us: float
    p99_us: float
    cpu_us_per_request: float
    resident_mib: float


def median(measurements: list[Measurement]) -> Measurement:
    """The median of each number for itself."""
    rows = [dataclasses.astuple(one) for one in measurements]
    return Measurement(*(statistics.median(column) for column in zip(*rows)))


def operation_table(operation: str, results: dict[str, Measurement]) -> str:
    """A row for each server; after each number, in parentheses, its ratio to the native twin's."""
    lines = [
        f"| {operation} | requests/s | p50 | p99 | CPU per request | resident memory |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    base = results.get(BASE)
    for name, row in results.items():
        cells = [
            (f"{row.requests_per_second:,.0f}", "requests_per_second"),
            (f"{row.p50_us / 1000:.2f} ms", "p50_us"),
            (f"{row.p99_us / 1000:.2f} ms", "p99_us"),
            (f"{row.cpu_us_per_request:.1f} µs", "cpu_us_per_request"),
            (f"{row.resident_mib:.0f} MiB", "resident_mib"),
        ]
        texts = []
        for text, field in cells:
            below = getattr(base, field) if base else 0
            texts.append(f"{text} ({getattr(row, field) / below:.2f})" if below else text)
        lines.append(f"| {name} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def goal_table(results: dict[str, dict[str, Measurement]], first_request_ms: list[float]) -> str:
    """What is wanted beside what was measured; empty when nothing that is wanted was measured."""
    lines = []
    for server, other, ratios in GOALS:
        for operation, goal in ratios.items():
            rows = results.get(operation, {})
            if server in rows and other in rows:
                ratio = rows[server].requests_per_second / rows[other].requests_per_second
                verdict = "reached" if ratio >= goal else "not reached"
                lines.append(
                    f"| {operation}, {server} : {other}, requests/s | at least {goal:g} | {ratio:.2f} | {verdict} |"
                )
    if first_request_ms:
        middle = statistics.median(first_request_ms)
        verdict = "reached" if middle < FIRST_REQUEST_GOAL_MS else "not reached"
        lines.append(
            "| first request after a start, compilation cache warm "
            f"| under {FIRST_REQUEST_GOAL_MS} ms | {middle:.0f} ms | {verdict} |"
        )
    if not lines:
        return ""
    return "\n".join(["| what | goal | measured | |", "| --- | --- | --- | --- |", *lines])


def section(results, first_request_ms, *, command, rounds, seconds, connections, threads, keys, versions) -> str:
    """The whole section."""
    parts = [
        "## One node",
        page.origin(command, versions),
        "Load and server share the machine. "
        f"`wrk` with {connections} connections on {threads} threads; {keys:,} keys, values of 100 bytes. "
        f"Each of {rounds} rounds starts every server in turn, stores all keys, then measures GET and PUT for {seconds} "
        "seconds each; a number is the median over the rounds. In parentheses: its ratio to the native twin's. CPU per "
        "request is the server process's user and system time over the requests answered.",
    ]
    parts += [operation_table(operation, rows) for operation, rows in results.items()]
    parts.append(
        "- *spindrift*: `put` and `get` as WebAssembly components, as `scripts/run.sh` starts them\n"
        "- *spindrift, fresh instances*: the same with `--max-instance-reuse-count 1`, a new instance for each request\n"
        "- *native twin*: the same API in axum with a concurrent map, `host/spindrift/examples/native_twin.rs`\n"
        "- *FastAPI twin*: the same API in Python, one uvicorn worker, `scripts/bench/fastapi_twin.py`"
    )
    if first_request_ms:
        parts.append(
            f"From the start of the process to the first 200, over {len(first_request_ms)} starts with a warm compilation "
            f"cache: median {statistics.median(first_request_ms):.0f} ms, "
            f"{min(first_request_ms):.0f} to {max(first_request_ms):.0f} ms."
        )
    goals = goal_table(results, first_request_ms)
    if goals:
        parts += ["### Goals", goals]
    return "\n\n".join(parts) + "\n"

"""Builds and runs the applications in examples/, each by the command in its manifest, and tries out what their READMEs show.
`scripts/test.sh examples` calls it.

    examples.py SPINDRIFT FOLDER CACHE BIN

Each is copied into FOLDER first: an example works without the rest of the repository. BIN is the folder of the tools of a Python
environment; what they build, and the host's code for all of them, is kept in CACHE for the next run.
"""

import contextlib
import http.client
import json
import os
import shutil
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sdks import REQUEST_SECONDS, Host, Tools, built, expect, host

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
AT_ONCE = 20


def copied(folder: Path, name: str) -> Path:
    """A copy of the example as git has it. It has the same place each time, so that cargo builds only what has changed."""
    copy = folder / name
    # It removes the link to what cargo has built, and not the files there.
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(EXAMPLES / name, copy, ignore=shutil.ignore_patterns("target", ".venv", "app.wasm"))
    return copy


@contextlib.contextmanager
def built_by_cargo(spindrift: str, folder: Path, cache: Path, name: str, *variables: str):
    """The host on a copy of the example, which cargo builds."""
    copy = copied(folder, name)
    (folder / "target").mkdir(exist_ok=True)
    # The examples share the dependencies that cargo has built.
    os.symlink("../target", copy / "target")
    # The manifest names what cargo builds where this is not set.
    environment = {key: value for key, value in os.environ.items() if key != "CARGO_TARGET_DIR"}
    arguments = ["--build", *(part for variable in variables for part in ("--variable", variable))]
    with host(spindrift, copy, cache / "compiled", environment, arguments) as running:
        yield running


def at_once(host: Host, count: int, method: str, path: str, body: bytes | None = None) -> list[tuple[int, str]]:
    """The answers to the same request, sent `count` times, several at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda _: host.send(method, path, body), range(count)))


def statuses(answers: list[tuple[int, str]]) -> dict[int, int]:
    return dict(Counter(status for status, _ in answers))


def equal(what: str, found: object, expected: object) -> None:
    assert found == expected, f"{what}: {found} instead of {expected}"


def counter(host: Host) -> None:
    equal("a new counter", host.send("GET", "/count/pears"), (200, "0\n"))
    equal("the first increment", host.send("POST", "/count/pears"), (200, "1\n"))
    answers = at_once(host, 100, "POST", "/count/apples")
    equal("increments", statuses(answers), {200: 100})
    equal("the values they answer", sorted(int(body) for _, body in answers), list(range(1, 101)))
    equal("the counter after 100 increments", host.send("GET", "/count/apples"), (200, "100\n"))
    equal("another counter", host.send("GET", "/count/pears"), (200, "1\n"))
    expect(host.send("PUT", "/count/pears"), 405, "use GET or POST")


def rate_limiter(host: Host) -> None:
    equal("a first request", host.send("POST", "/clients/alice"), left(200, 9, 24))
    equal("of 40 more, at once", statuses(at_once(host, 40, "POST", "/clients/alice")), {200: 9, 429: 31})
    # The 31 that were refused have taken nothing from the limit for all.
    equal("what is left after them", host.send("GET", "/clients/alice"), left(200, 0, 15))
    equal("another client", statuses(at_once(host, 40, "POST", "/clients/bob")), {200: 10, 429: 30})
    # The limit for all is what refuses these, and it refuses them without taking from the client's own.
    equal("a third client", statuses(at_once(host, 40, "POST", "/clients/carol")), {200: 5, 429: 35})
    equal("what is left for it", host.send("GET", "/clients/carol"), left(200, 5, 0))
    equal("a fourth client", host.send("POST", "/clients/dave"), left(429, 10, 0))
    equal("what is left for that one", host.send("GET", "/clients/dave"), left(200, 10, 0))
    seconds = retry_after(host, "/clients/dave")
    assert 0 < seconds <= 3600, f"Retry-After is {seconds} with a window of an hour"
    expect(host.send("PUT", "/clients/dave"), 405)


def left(status: int, client: int, total: int) -> tuple[int, str]:
    return status, f'{{"client_left":{client},"total_left":{total}}}\n'


def retry_after(host: Host, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=REQUEST_SECONDS)
    with contextlib.closing(connection):
        connection.request("POST", path)
        response = connection.getresponse()
        response.read()
        equal("the status of a request over the limit", response.status, 429)
        return int(response.headers["retry-after"])


def short_window(host: Host) -> None:
    """A client that waits as long as it is told gets through then."""
    equal("the only request in 5 s", host.send("POST", "/clients/alice")[0], 200)
    seconds = retry_after(host, "/clients/alice")
    assert seconds in range(1, 6), f"Retry-After is {seconds} with a window of 5 s"
    time.sleep(seconds)
    equal("the request after that", host.send("POST", "/clients/alice")[0], 200)


def guestbook(host: Host) -> None:
    equal("an empty guestbook", host.send("GET", "/entries"), (200, "[]\n"))
    entry = {"name": "Ada", "message": "Hello!"}
    status, body = host.send("POST", "/entries", json.dumps(entry).encode())
    equal("the first entry", (status, json.loads(body)), (201, {"number": 1, **entry}))
    for faulty in (b"", b"{", b"[]", b'{"name": "Ada"}', b'{"name": "Ada", "message": 1}', b"\xff"):
        expect(host.send("POST", "/entries", faulty), 400, '"error"')
    answers = at_once(host, 30, "POST", "/entries", json.dumps(entry).encode())
    equal("30 entries at once", statuses(answers), {201: 30})
    numbers = sorted(json.loads(body)["number"] for _, body in answers)
    equal("their numbers", numbers, list(range(2, 32)))
    listed = json.loads(host.send("GET", "/entries")[1])
    equal("what is listed", listed, [{"number": number, **entry} for number in range(31, 11, -1)])
    expect(host.send("DELETE", "/entries"), 405, "use GET or POST")


@contextlib.contextmanager
def timed(name: str):
    began = time.monotonic()
    yield
    print(f"{name}: done after {time.monotonic() - began:.0f} s")


def main() -> None:
    spindrift, folder, cache, tools = sys.argv[1:]
    folder, cache = Path(folder), Path(cache)
    folder.mkdir(parents=True, exist_ok=True)
    cache.mkdir(parents=True, exist_ok=True)
    with timed("counter"), built_by_cargo(spindrift, folder, cache, "counter") as running:
        counter(running)
    # No request leaves a window of an hour while this runs.
    with timed("rate-limiter"), built_by_cargo(spindrift, folder, cache, "rate-limiter", "window=3600") as running:
        rate_limiter(running)
    variables = ["window=5", "client_limit=1"]
    with timed("rate-limiter, Retry-After"), built_by_cargo(spindrift, folder, cache, "rate-limiter", *variables) as running:
        short_window(running)
    python = Tools("python", Path(tools))
    with timed("guestbook"), built(spindrift, cache, python, copied(folder, "guestbook"), []) as running:
        guestbook(running)


if __name__ == "__main__":
    main()

"""Runs applications of Spin's SDKs for Python and JavaScript under the host: each is built by the SDK's own tools, by the command
in its manifest, and answers requests, with key-value, variables and outgoing HTTP. `scripts/test.sh sdks` calls it.

    sdks.py SPINDRIFT CACHE python=BIN javascript=NODE_MODULES

BIN is the folder of the tools of a Python environment, NODE_MODULES what npm has installed. What was built, and the host's code
for it, is kept in CACHE for the next run: the tools take ten seconds for each, and the host's compiler takes a minute.
"""

import contextlib
import hashlib
import http.client
import http.server
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import quote

APPLICATIONS = Path(__file__).resolve().parent / "sdks"
# On a slow machine the host compiles 25 MB of WebAssembly in this time.
START_SECONDS = 900
STOP_SECONDS = 60
REQUEST_SECONDS = 120


class Origin(http.server.BaseHTTPRequestHandler):
    """What the components send requests to."""

    def do_GET(self):
        body = f"origin {self.path}".encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def origin():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Tools:
    """What builds an application: how it is put beside a copy of it, and what it makes of the environment."""

    def __init__(self, language: str, folder: Path):
        self.language = language
        self.folder = folder

    def place(self, copy: Path) -> dict[str, str]:
        path = self.folder
        environment = dict(os.environ, npm_config_update_notifier="false")
        if self.language == "javascript":
            os.symlink(self.folder, copy / "node_modules")
            path = self.folder / ".bin"
        else:
            # It is how componentize-py finds the SDK.
            environment["VIRTUAL_ENV"] = str(self.folder.parent)
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
        return environment


def key(folder: Path) -> str:
    """Changes with any file of an application, and so with the versions of its tools."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(folder)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


class Host:
    """`spindrift up` on an application."""

    def __init__(self, process: subprocess.Popen, log: Path):
        self.process = process
        self.log = log
        self.port = 0

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def send(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def wait(self) -> None:
        """Returns when the host says that it serves, and where."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if served := re.search(r"^Serving http://127\.0\.0\.1:(\d+)$", self.said(), re.MULTILINE):
                self.port = int(served[1])
                return
            if self.process.poll() is not None:
                raise AssertionError(f"the host has ended with {self.process.returncode}")
            time.sleep(0.2)
        raise AssertionError(f"the application is not served after {START_SECONDS} s")


@contextlib.contextmanager
def host(spindrift: str, application: Path, cache: Path, environment: dict[str, str], arguments: list[str]):
    log = application / "host.log"
    command = [spindrift, "up", "-f", str(application), "--listen", "127.0.0.1:0", "--cache-dir", str(cache), *arguments]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
    running = Host(process, log)
    try:
        running.wait()
        yield running
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOP_SECONDS)
        assert code == 0, f"the host ends with {code}"
    except BaseException:
        print("the last lines of the host:", *running.said().splitlines()[-40:], sep="\n", file=sys.stderr)
        raise
    finally:
        process.kill()
        process.wait()


def expect(answer: tuple[int, str], status: int, *parts: str) -> None:
    assert answer[0] == status and all(part in answer[1] for part in parts), f"not {status} with {parts}: {answer}"


def try_out(host: Host, language: str, name: str, origin: str) -> None:
    expect(host.send("GET", "/"), 200, f"Hello from {name}!")
    expect(host.send("GET", "/store?key=a"), 404, "no value")
    expect(host.send("PUT", "/store?key=a", "ü value".encode()), 200, "stored")
    expect(host.send("GET", "/store?key=a"), 200, "ü value")
    expect(host.send("GET", "/variable?name=greeting"), 200, f"good day, {name}")
    expect(host.send("GET", f"/outgoing?url={quote(origin + '/there?a=b')}"), 200, "origin /there?a=b")
    assert host.send("GET", f"/outgoing?url={quote('http://127.0.0.2:1/')}")[0] == 500
    expect(host.send("GET", "/denied?store=other"), 502, {"python": "AccessDenied", "javascript": "access-denied"}[language])
    runtime_error = {"python": "RuntimeError", "javascript": "runtime-error"}[language]
    expect(host.send("GET", "/llm"), 502, runtime_error, "fermyon:spin/llm@2.0.0")
    if language == "python":
        expect(host.send("GET", "/sqlite"), 502, "Io", "spin:sqlite/sqlite@3.1.0")
    # An instance serves many requests, and there are several at a time.
    threads = [threading.Thread(target=put_and_get, args=(host, f"key-{n}")) for n in range(4)]
    failures = len(FAILURES)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(FAILURES) == failures, FAILURES


FAILURES = []


def put_and_get(host: Host, key: str) -> None:
    try:
        for n in range(5):
            expect(host.send("PUT", f"/store?key={key}", str(n).encode()), 200, "stored")
            expect(host.send("GET", f"/store?key={key}"), 200, str(n))
    except Exception as error:
        FAILURES.append(f"{key}: {error!r}")


@contextlib.contextmanager
def built(spindrift: str, cache: Path, tools: Tools, source: Path, arguments: list[str]):
    """The host on a copy of the application in `source`. Its tools build `app.wasm` if the cache does not have it."""
    kept = cache / f"{tools.language}-{key(source)}.wasm"
    with tempfile.TemporaryDirectory() as folder:
        application = Path(folder) / "application"
        shutil.copytree(source, application)
        environment = tools.place(application)
        if kept.exists():
            shutil.copy(kept, application / "app.wasm")
        else:
            arguments = [*arguments, "--build"]
        with host(spindrift, application, cache / "compiled", environment, arguments) as running:
            yield running
        if not kept.exists():
            # Whole or not at all.
            part = kept.with_suffix(f".{os.getpid()}")
            shutil.copy(application / "app.wasm", part)
            part.rename(kept)
        for old in cache.glob(f"{tools.language}-*"):
            if old != kept:
                old.unlink()


def run(spindrift: str, cache: Path, tools: Tools, origin: str) -> None:
    name = {"python": "Python", "javascript": "JavaScript"}[tools.language]
    began = time.monotonic()
    arguments = ["--variable", f"origin={origin}", "--variable", "greeting=good day"]
    with built(spindrift, cache, tools, APPLICATIONS / tools.language, arguments) as running:
        ready = time.monotonic()
        try_out(running, tools.language, name, origin)
        offered = [line for line in running.said().splitlines() if "does not offer" in line]
        assert len(offered) == 1, f"the start does not say once what it does not offer: {offered}"
    print(f"{name}: ready after {ready - began:.0f} s, done after {time.monotonic() - began:.0f} s")


def main() -> None:
    spindrift, cache, *tools = sys.argv[1:]
    cache = Path(cache)
    cache.mkdir(parents=True, exist_ok=True)
    with origin() as url:
        for one in tools:
            language, folder = one.split("=", 1)
            run(spindrift, cache, Tools(language, Path(folder)), url)


if __name__ == "__main__":
    main()

"""The server processes that a benchmark compares: how each is started, watched through /proc, and stopped."""

import contextlib
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
START_LIMIT_SECONDS = 120.0
STOP_LIMIT_SECONDS = 15.0
# Below the ports that the kernel gives to outgoing connections: a load of many connections could take a port between the
# moment when it is found free and the start of its server.
PORTS = range(20_000, 30_000)


class BenchmarkError(Exception):
    """A run that cannot be counted; its text says why."""


def free_port() -> int:
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise BenchmarkError(f"no port from {PORTS.start} to {PORTS.stop} seems to be free")


class Process:
    """One server process, from `launch` to `stop`."""

    def __init__(self, name: str, cwd: pathlib.Path):
        self.name = name
        self.cwd = cwd
        self.process: subprocess.Popen | None = None
        self.log = None

    def launch(self, command: list[str]) -> None:
        """Starts the process and returns at once."""
        self.log = tempfile.TemporaryFile()
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(
            command,
            cwd=self.cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    def check_that_it_runs(self) -> None:
        if self.process.poll() is not None:
            raise BenchmarkError(f"{self.name} ended with {self.process.returncode}:\n{self.output()}")

    def cpu_seconds(self) -> float:
        """The CPU time of the process so far, its own and the system's for it."""
        text = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        # The command's name, in parentheses, may hold spaces; utime and stime are the 12th and 13th fields after it.
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def resident_bytes(self) -> int:
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise BenchmarkError(f"{self.name}: /proc tells no resident memory")

    def output(self) -> str:
        self.log.seek(0)
        return self.log.read()[-4000:].decode(errors="replace")

    def kill(self) -> None:
        """Ends the process without a chance to do anything about it."""
        self.process.kill()
        self.stop()

    def stop(self) -> None:
        """Asks the process to end, and waits until it has."""
        process, self.process = self.process, None
        if process is None:
            return
        if process.poll() is None:
            # After a kill this does nothing.
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                print(f"{self.name} did not stop in {STOP_LIMIT_SECONDS:.0f} s and was killed", file=sys.stderr)
                process.kill()
                process.wait()
        self.log.close()


class Server(Process):
    """A server that stands alone, serving on `port` of the loopback interface."""

    def __init__(self, name: str, command: list[str], cwd: pathlib.Path):
        """`command` has `{port}` where the port belongs."""
        super().__init__(name, cwd)
        self.command = command
        self.port = 0

    def start(self) -> None:
        """Starts the process and returns at once; `wait_until_it_answers` says when it serves."""
        self.port = free_port()
        self.launch([part.replace("{port}", str(self.port)) for part in self.command])

    def wait_until_it_answers(self, poll_seconds: float = 0.0005) -> None:
        """Returns with the first 200, for a key written: nothing short of the store working counts."""
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while time.monotonic() < deadline:
            self.check_that_it_runs()
            if self.answers():
                return
            time.sleep(poll_seconds)
        raise BenchmarkError(f"{self.name} did not answer in {START_LIMIT_SECONDS:.0f} s:\n{self.output()}")

    def answers(self) -> bool:
        body = b'{"key":"first","value":"v"}'
        request = (
            b"PUT /put HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        with contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(request)
                return connection.recv(4096).startswith(b"HTTP/1.1 200")
        return False


@contextlib.contextmanager
def running(server: Server):
    """The server, started and answering; stopped however the block ends."""
    server.start()
    try:
        server.wait_until_it_answers()
        yield server
    finally:
        server.stop()

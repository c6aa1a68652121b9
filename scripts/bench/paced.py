"""Writes at a steady pace, whatever becomes of those before them, and when each was acknowledged."""

import asyncio
import base64
import dataclasses
import itertools
import json
import threading
import time

VALUE = "v" * 100
TIMEOUT_SECONDS = 2.0
# Servers close a connection that is idle for long, which could meet the next request on its way.
MAX_IDLE_SECONDS = 3.0
KEYS = 1000


@dataclasses.dataclass
class Write:
    """When a write began and ended, as `time.monotonic` has it, and what came back: a status line, or an error's name."""

    began: float
    ended: float
    answer: str

    @property
    def acknowledged(self) -> bool:
        return self.answer.startswith("HTTP/1.1 200")


class PacedWriter:
    """Writes through some ports in turn while a `with` block runs."""

    def __init__(self, ports: list[int], api: str, writes_per_second: float):
        self.ports = ports
        self.requests = [request(api, number) for number in range(KEYS)]
        self.pause = 1 / writes_per_second
        self.done: list[Write] = []
        self.idle: dict[int, list] = {port: [] for port in ports}
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()))
        self.stopping = False

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()

    def acknowledged(self) -> list[Write]:
        return [write for write in list(self.done) if write.acknowledged]

    async def run(self) -> None:
        under_way = set()
        next_start = time.monotonic()
        for port, body in zip(itertools.cycle(self.ports), itertools.cycle(self.requests)):
            if self.stopping:
                break
            task = asyncio.create_task(self.write(port, body))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            next_start += self.pause
            await asyncio.sleep(max(0.0, next_start - time.monotonic()))
        if under_way:
            await asyncio.wait(under_way)
        for streams in self.idle.values():
            for _, (_, writer) in streams:
                writer.close()

    def take_idle(self, port: int):
        """The connection that was used last, unless that is long ago; then all others are older, and go too."""
        idle = self.idle[port]
        if idle and time.monotonic() - idle[-1][0] < MAX_IDLE_SECONDS:
            return idle.pop()[1]
        for _, (_, writer) in idle:
            writer.close()
        idle.clear()
        return None

    async def write(self, port: int, body: bytes) -> None:
        began = time.monotonic()
        streams = None
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                streams = self.take_idle(port) or await asyncio.open_connection("127.0.0.1", port)
                reader, writer = streams
                writer.write(body)
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length:")
                )
                await reader.readexactly(length)
                answer = head.partition(b"\r\n")[0].decode(errors="replace")
                self.idle[port].append((time.monotonic(), streams))
        except (OSError, EOFError, TimeoutError, StopIteration) as error:
            answer = type(error).__name__
            if streams:
                streams[1].close()
        self.done.append(Write(began, time.monotonic(), answer))


def request(api: str, number: int) -> bytes:
    key = f"paced-{number:010}"
    if api == "etcd":
        path, method = "/v3/kv/put", "POST"
        key, value = (base64.b64encode(text.encode()).decode() for text in (key, VALUE))
    else:
        path, method, value = "/put", "PUT", VALUE
    body = json.dumps({"key": key, "value": value})
    return (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()

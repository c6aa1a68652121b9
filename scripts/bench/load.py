"""Load by wrk: for a time, to measure, or until all keys are stored. What is sent is in the Lua files beside this one."""

import http.client
import json
import os
import pathlib
import re
import subprocess
import time

from servers import BenchmarkError

HERE = pathlib.Path(__file__).resolve().parent
KEYS = 10_000  # as in workload.lua
KEY_DIGITS = 5  # as in workload.lua
FILL_THREADS = 2
FILL_CONNECTIONS = 64
FILL_LIMIT_SECONDS = 600
POLL_SECONDS = 0.1


def load(name: str, port: int, operation: str, *, connections: int, threads: int, seconds: int, api: str = "spindrift") -> dict:
    """What wrk reports of one run. A run with a single failed request does not count."""
    done = subprocess.run(
        [
            "wrk", "--threads", str(min(threads, connections)), "--connections", str(connections),
            "--duration", f"{seconds}s", "--timeout", "10s", "--script", str(HERE / "workload.lua"),
            f"http://127.0.0.1:{port}", "--", operation.lower(), api,
        ],
        env=environment(), capture_output=True, text=True, timeout=seconds + 60, check=False,
    )  # fmt: skip
    found = re.search(r"^RESULT (.+)$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not found:
        raise BenchmarkError(f"wrk failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    result = json.loads(found.group(1))
    if result["not_ok"] or result["broken"] or not result["requests"]:
        raise BenchmarkError(
            f"{operation} on {name}: {result['not_ok']} answers were no success and {result['broken']} requests "
            f"broke, of {result['requests']}"
        )
    return result


def store_all_keys(name: str, port: int) -> None:
    """Stores the keys of workload.lua one by one, so that every GET finds its key, however slow a server is to write them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for number in range(KEYS):
        body = json.dumps({"key": f"key-{number:0{KEY_DIGITS}}", "value": f"{number:0>100}"})
        connection.request("PUT", "/put", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise BenchmarkError(f"{name} answered {response.status} to a PUT: {answer[:300]!r}")
    connection.close()


def fill(port: int, stored, *, keys: int = KEYS, digits: int = KEY_DIGITS, api: str = "spindrift") -> None:
    """Stores the keys. `stored` says how many there are."""
    wrk = subprocess.Popen(
        [
            "wrk", "--threads", str(FILL_THREADS), "--connections", str(FILL_CONNECTIONS),
            "--duration", f"{FILL_LIMIT_SECONDS}s", "--timeout", "10s", "--script", str(HERE / "fill.lua"),
            f"http://127.0.0.1:{port}", "--", str(keys), str(digits), str(FILL_THREADS), api,
        ],
        env=environment(), stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        # It begins anew when it is through, so that it does not matter which requests it was that failed.
        while stored() < keys:
            if wrk.poll() is not None:
                raise BenchmarkError(f"{stored()} of {keys} keys are stored, and wrk ended with {wrk.returncode}")
            time.sleep(POLL_SECONDS)
    finally:
        wrk.terminate()
        wrk.wait()


def environment() -> dict[str, str]:
    return os.environ | {"LUA_PATH": f"{HERE}/?.lua;;"}

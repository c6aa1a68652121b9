"""A guestbook. `POST /entries` adds an entry, and `GET /entries` lists the newest ones."""

import json

from spin_sdk import http, key_value
from spin_sdk.http import Request, Response
from spin_sdk.key_value import Store

LISTED = 20


class HttpHandler(http.Handler):
    async def handle_request(self, request: Request) -> Response:
        with await key_value.open_default() as store:
            match request.method:
                case "GET":
                    return answer(200, await newest(store))
                case "POST":
                    # Checked before anything is written: the host commits what a request writes even if its answer is an error.
                    entry = parse(request.body)
                    if entry is None:
                        return answer(400, {"error": 'send {"name": "…", "message": "…"}'})
                    return answer(201, await add(store, entry))
                case _:
                    return answer(405, {"error": "use GET or POST"})


def parse(body: bytes | None) -> dict | None:
    """The entry in the body of a request, or None if that is something else."""
    try:
        match json.loads(body or b""):
            case {"name": str(name), "message": str(message)}:
                return {"name": name, "message": message}
    except ValueError:
        pass
    return None


async def add(store: Store, entry: dict) -> dict:
    """Writes two keys in one transaction: an entry has a number of its own, and no number is left out."""
    number = await count(store) + 1
    await store.set(f"entry/{number}", json.dumps(entry).encode())
    await store.set("count", str(number).encode())
    return {"number": number, **entry}


async def newest(store: Store) -> list[dict]:
    """Reads up to 21 keys as they are at one moment: each number up to the count has its entry."""
    last = await count(store)
    entries = []
    for number in range(last, max(last - LISTED, 0), -1):
        entries.append({"number": number, **json.loads(await store.get(f"entry/{number}"))})
    return entries


async def count(store: Store) -> int:
    return int(await store.get("count") or b"0")


def answer(status: int, body: object) -> Response:
    return Response(status, {"content-type": "application/json"}, (json.dumps(body, ensure_ascii=False) + "\n").encode())

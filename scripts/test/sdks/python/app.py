"""The Python SDK's template, with key-value, variables and an outgoing request."""

from urllib.parse import parse_qs, urlsplit

from componentize_py_types import Err
from spin_sdk import http, key_value, llm, sqlite, variables
from spin_sdk.http import Request, Response


class HttpHandler(http.Handler):
    async def handle_request(self, request: Request) -> Response:
        target = urlsplit(request.uri)
        query = {name: values[0] for name, values in parse_qs(target.query).items()}
        match target.path:
            case "/":
                return text(200, "Hello from Python!")
            case "/store":
                return await store(request, query["key"])
            case "/variable":
                return text(200, await variables.get(query["name"]))
            case "/outgoing":
                answer = await http.send(Request("GET", query["url"], {}, None))
                return text(answer.status, (answer.body or b"").decode())
            case "/llm":
                return failure(lambda: llm.infer("llama2-chat", "Hello?"))
            case "/denied":
                return await denied(query["store"])
            case "/sqlite":
                try:
                    await sqlite.Connection.open_default()
                except Err as error:
                    return text(502, repr(error.value))
                return text(200, "there is a database")
            case path:
                return text(404, f"nothing at {path}")


async def store(request: Request, key: str) -> Response:
    with await key_value.open_default() as opened:
        if request.method == "PUT":
            await opened.set(key, request.body or b"")
            return text(200, "stored")
        value = await opened.get(key)
        return text(404, "no value") if value is None else text(200, value.decode())


async def denied(label: str) -> Response:
    try:
        await key_value.open(label)
    except Err as error:
        return text(502, repr(error.value))
    return text(200, "opened")


def failure(call) -> Response:
    try:
        return text(200, str(call()))
    except Err as error:
        return text(502, repr(error.value))


def text(status: int, body: str) -> Response:
    return Response(status, {"content-type": "text/plain"}, body.encode())

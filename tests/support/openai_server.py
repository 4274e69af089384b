"""A real server on loopback that speaks OpenAI's chat-completions API, with answers that the test wrote beforehand.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class OpenAIServer:
    """`answers` are given in their order; None keeps the client waiting until the test is over."""

    url: str = ""
    answers: "list[web.Response | Streamed | None]" = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    otherwise: Callable[[dict[str, Any]], web.Response] | None = None
    """Answers a request, by what it says, when no answer is left."""

    async def completions(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json())
        self.authorizations.append(request.headers.get("Authorization"))
        if not self.answers and self.otherwise is not None:
            return self.otherwise(self.requests[-1])
        answer = self.answers.pop(0)
        if answer is None:
            await self.over.wait()
        if isinstance(answer, Streamed):
            return await answer.send(request)
        return answer or web.Response(status=500)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Those of the last request."""
        found: list[dict[str, Any]] = self.requests[-1]["messages"]
        return found


@asynccontextmanager
async def openai_server() -> AsyncIterator[OpenAIServer]:
    server = OpenAIServer()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.completions)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        server.url = f"http://{host}:{port}/v1"
        yield server
    finally:
        server.over.set()
        await runner.cleanup()


def said(text: str) -> web.Response:
    """The model answers in words."""
    return _completion({"role": "assistant", "content": text}, "stop")


def filled_in(arguments: Any) -> web.Response:
    """The model calls the output tool; `arguments` is JSON, or text that is none."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    call = {"id": "call_1", "type": "function", "function": {"name": "final_result", "arguments": text}}
    return _completion({"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls")


def calls(*wanted: tuple[str, Any]) -> web.Response:
    """The model calls tools, each by its name with arguments (JSON, or text that is none)."""
    made = [
        {
            "id": f"call_{name}_{index}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for index, (name, given) in enumerate(wanted)
    ]
    return _completion({"role": "assistant", "content": None, "tool_calls": made}, "tool_calls")


def streamed(*pieces: str | asyncio.Event, cut: bool = False) -> "Streamed":
    """The model answers in words, piece by piece, as server-sent events; it waits at an event until that is set."""
    return Streamed(pieces, cut)


@dataclass
class Streamed:
    """An answer that is sent as it is made. `cut`: the connection ends before the answer does."""

    pieces: tuple[str | asyncio.Event, ...]
    cut: bool = False

    async def send(self, request: web.Request) -> web.StreamResponse:
        """To the client."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in self.pieces:
            if isinstance(piece, asyncio.Event):
                await piece.wait()
            else:
                await response.write(_chunk([{"index": 0, "delta": {"role": "assistant", "content": piece}}]))
        if self.cut:
            assert request.transport is not None
            request.transport.abort()
            return response
        await response.write(_chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}]))
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        await response.write(_chunk([], usage=usage) + b"data: [DONE]\n\n")
        return response


def _chunk(choices: list[Any], **more: Any) -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_800_000_000, "model": "tested-model"}
    return b"data: " + json.dumps({**head, "choices": choices, **more}).encode() + b"\n\n"


def failed(status: int, message: str, code: str | None = None, **headers: str) -> web.Response:
    error = {"message": message, "type": "error", "param": None, "code": code}
    return web.json_response({"error": error}, status=status, headers=headers)


def _completion(message: dict[str, Any], reason: str) -> web.Response:
    return web.json_response(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_800_000_000,
            "model": "tested-model",
            "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        }
    )

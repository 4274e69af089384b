"""A server on loopback that takes what Langfuse's SDK sends, OpenTelemetry spans in protobuf, and records it.

Source: https://langfuse.com/integrations/native/opentelemetry
"""

import base64
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from shared.ids import new_id

SECRET_KEY = "sk-lf-tested"


@dataclass
class Span:
    """One observation. `attributes` as Langfuse names them, without their prefix."""

    trace_id: str
    name: str
    milliseconds: float
    attributes: dict[str, Any]


@dataclass
class LangfuseServer:
    url: str = ""
    public_key: str = field(default_factory=lambda: f"pk-lf-{new_id()}")
    """The SDK keeps one client for each."""
    status: int = 200
    spans: list[Span] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    requests: int = 0

    async def take(self, request: web.Request) -> web.Response:
        self.requests += 1
        pair = base64.b64encode(f"{self.public_key}:{SECRET_KEY}".encode()).decode()
        assert request.headers["authorization"] == f"Basic {pair}"
        body = await request.read()
        if request.headers.get("content-encoding") == "gzip" and body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        self.raw.append(body)
        sent = ExportTraceServiceRequest.FromString(body)
        for resource in sent.resource_spans:
            for scope in resource.scope_spans:
                self.spans += [_span(each) for each in scope.spans]
        return web.Response(status=self.status)


def _span(span: Any) -> Span:
    attributes = {
        each.key.removeprefix("langfuse.").removeprefix("observation."): _value(each.value) for each in span.attributes
    }
    took = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
    return Span(span.trace_id.hex(), span.name, took, attributes)


def _value(value: Any) -> Any:
    found = getattr(value, value.WhichOneof("value"))
    try:
        return json.loads(found) if isinstance(found, str) else found
    except ValueError:
        return found


@asynccontextmanager
async def langfuse_server() -> AsyncIterator[LangfuseServer]:
    server, app = LangfuseServer(), web.Application(client_max_size=2**24)
    app.router.add_post("/api/public/otel/v1/traces", server.take)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        server.url = f"http://{host}:{port}"
        yield server
    finally:
        await runner.cleanup()

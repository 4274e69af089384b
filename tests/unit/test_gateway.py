"""An app below the stage of API Gateway: what it is told of where it is, and what becomes of paths in its answers."""

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from shared.adapters.asgi.gateway import behind_gateway, stage_path
from shared.adapters.asgi.middleware import route_path

SAMPLE = json.loads((Path(__file__).parents[2] / "events" / "webhook-delivery.json").read_bytes())
HOST = SAMPLE["headers"]["Host"]


async def where(request: Request) -> Response:
    said = {"url": str(request.url), "base": str(request.base_url), "route": route_path(request.scope)}
    return JSONResponse(said)


async def away(request: Request) -> Response:
    return RedirectResponse(request.query_params["to"], 303)


async def signed_in(request: Request) -> Response:
    answer = Response()
    answer.set_cookie("one", "1", path="/auth", httponly=True)
    answer.set_cookie("two", "path=/auth", path="/")
    return answer


APP = Starlette(routes=[Route("/where/{it}", where), Route("/away", away), Route("/signed-in", signed_in)])


def asked(path: str, called: str, **query: str) -> Any:
    context = SAMPLE["requestContext"] | {"path": called}
    event = SAMPLE | {"httpMethod": "GET", "path": path, "requestContext": context, "body": None}
    return behind_gateway(APP)(event | {"queryStringParameters": query or None}, None)


@pytest.mark.parametrize(("called", "root"), [("/live/where/x%20y", "/live"), ("/where/x%20y", "")])
def test_an_app_is_told_where_it_is(called: str, root: str):
    told = json.loads(asked("/where/x%20y", called, q="1")["body"])

    assert told["base"] == f"https://{HOST}{root}/"
    assert told["url"] == f"https://{HOST}{root}/where/x y?q=1"
    assert told["route"] == "/where/x y"


@pytest.mark.parametrize(
    ("path", "called", "root"),
    [("/", "/live/", "/live"), ("/", "/", ""), ("/live", "/live/live", "/live"), ("/a", "/elsewhere", "")],
)
def test_the_stage_is_what_was_called_before_the_path(path: str, called: str, root: str):
    assert stage_path({"path": path, "requestContext": {"path": called}}) == root


@pytest.mark.parametrize(
    ("to", "answered"),
    [
        ("/api/keys/1", "/live/api/keys/1"),
        ("https://id.example/x", "https://id.example/x"),
        ("//id.example", "//id.example"),
    ],
)
def test_a_location_is_below_the_stage_unless_it_is_elsewhere(to: str, answered: str):
    assert asked("/away", "/live/away", to=to)["headers"]["location"] == answered
    assert asked("/away", "/away", to=to)["headers"]["location"] == to


def test_cookies_come_back_to_where_they_were_set():
    cookies = asked("/signed-in", "/live/signed-in")["multiValueHeaders"]["set-cookie"]

    assert [each.split("; ")[0] for each in cookies] == ["one=1", 'two="path=/auth"']
    assert "Path=/live/auth" in cookies[0]
    assert "Path=/live/;" in cookies[1]

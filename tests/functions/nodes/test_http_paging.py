"""The `webhook` node page after page, with bodies of all types, and with a service that asks it to wait."""

import email
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from functions.nodes.http import core
from functions.nodes.http.core import http_deps, run
from functions.nodes.http.paging import linked, pointed
from shared.errors import (
    DestinationRateLimited,
    DestinationRefused,
    DestinationServerError,
    NodeConfigInvalid,
    ResponseTooLarge,
)

PAGES = [[1, 2], [3, 4], [5]]


class Service:
    """Lists 1 to 5 on three pages, in every style of pagination; the last page asks whoever comes to wait first."""

    def __init__(self) -> None:
        self.queries: list[dict[str, str]] = []
        self.bodies: list[tuple[str, bytes]] = []
        self.busy: list[web.Response] = []
        self.elsewhere = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.queries.append(dict(request.query))
        self.bodies.append((request.headers.get("content-type", ""), await request.read()))
        if self.busy:
            return self.busy.pop(0)
        return getattr(self, request.match_info["style"])(request)

    def link(self, request):
        number = int(request.query.get("p", 0))
        links = f'</link?p=9>; rel="last", <{self.elsewhere}/link?p={number + 1}>; title="a, b"; rel="next x"'
        return web.json_response(PAGES[number], headers={"Link": links} if number < 2 else {})

    def next_url(self, request):
        number = int(request.query.get("p", 0))
        following = f"?p={number + 1}" if number < 2 else None
        return web.json_response({"data": {"rows": PAGES[number]}, "next": following})

    def cursor(self, request):
        number = int(request.query.get("after", "c0")[1:])
        return web.json_response({"data": PAGES[number], "meta": {"next": f"c{number + 1}" if number < 2 else ""}})

    def page(self, request):
        number = int(request.query["page"])
        return web.json_response({"data": PAGES[number - 1] if number <= 3 else []})

    def offset(self, request):
        skipped = int(request.query.get("offset", 0))
        return web.json_response([1, 2, 3, 4, 5][skipped : skipped + 2])

    def circle(self, request):
        return web.json_response({"data": [1], "next_cursor": "same"})

    def plain(self, request):
        return web.json_response({"ok": True})


@pytest.fixture
async def service():
    service, app = Service(), web.Application()
    app.router.add_route("*", "/{style}", service.handle)
    async with TestServer(app) as server:
        service.url = str(server.make_url("")).rstrip("/")
        yield service


@pytest.fixture
def send(node_call, service):
    async def _send(style, **config):
        deps = http_deps("127.0.0.1")
        try:
            return await run(node_call("webhook", {"method": "GET", "url": f"{service.url}/{style}", **config}), deps)
        finally:
            await deps.aclose()

    return _send


STYLES = {
    "link": {"by": "link"},
    "next_url": {"by": "next_url", "items": "/data/rows"},
    "cursor": {"by": "cursor", "items": "/data", "next": "/meta/next", "parameter": "after"},
    "page": {"by": "page", "items": "/data"},
    "offset": {"by": "offset"},
}


@pytest.mark.parametrize("style", STYLES)
async def test_all_items_of_all_pages(send, style):
    result = await send(style, paginate=STYLES[style], query={"q": "x"})
    assert result.output["body"] == [1, 2, 3, 4, 5]
    assert (result.output["status"], result.output["more"]) == (200, False)
    assert result.meta["pages"] == result.output["pages"] >= 3


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("bounds", "items", "pages"), [({"max_pages": 2}, [1, 2, 3, 4], 2), ({"max_items": 3}, [1, 2, 3], 2)]
)
async def test_bounds_end_it_and_say_so(send, style, bounds, items, pages):
    output = (await send(style, paginate=STYLES[style] | bounds)).output
    assert (output["body"], output["pages"], output["more"]) == (items, pages, True)


@pytest.mark.parametrize("style", ["cursor", "page", "offset"])
async def test_the_query_stays_with_every_page(send, service, style):
    await send(style, paginate=STYLES[style], query={"q": "x"})
    assert {query["q"] for query in service.queries} == {"x"}


async def test_all_pages_together_are_limited(send):
    with pytest.raises(ResponseTooLarge, match="first 2 pages"):
        await send("page", paginate=STYLES["page"], max_response_bytes=25)


async def test_a_next_page_elsewhere_gets_no_request(send, service):
    service.elsewhere = "http://169.254.169.254"
    with pytest.raises(DestinationRefused, match=r"169\.254\.169\.254"):
        await send("link", paginate=STYLES["link"], headers={"Authorization": "Bearer s3cret"})
    assert len(service.queries) == 1


async def test_pages_that_go_in_a_circle_end(send, service):
    with pytest.raises(DestinationRefused, match="was there before"):
        await send("circle", paginate={"by": "cursor", "items": "/data"})
    assert len(service.queries) == 2


async def test_a_page_without_a_list_is_a_mistake(send):
    with pytest.raises(NodeConfigInvalid, match=r"no list at ''.*such as /data"):
        await send("plain", paginate={"by": "link"})


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('<a>; rel="next"', "a"),
        ("<a>;rel=next", "a"),
        ('<a>; rel="prev", <b?x=1,2>; rel="first next"', "b?x=1,2"),
        ('<a>; title="rel=next"', None),
        ("", None),
    ],
)
def test_link_headers(header, target):
    assert linked(header) == target


def test_pointers():
    assert [pointed({"a/b": [{"~": 1}]}, each) for each in ("/a~1b/0/~0", "/a~1b/1", "/x/y", "")] == [
        1,
        None,
        None,
        {"a/b": [{"~": 1}]},
    ]


async def test_a_multipart_body_is_read_by_others(send, service):
    content = b64encode(b"\x89PNG\xff").decode()
    files = [{"filename": 'a"b.png', "content_type": "image/png", "content": content, "encoding": "base64"}]
    body = {"title": "Grüße", "n": [1, True], "none": None, "file": files, "note": {"content": "text"}}
    for _ in range(2):
        await send("plain", method="POST", body_type="multipart", body=body)
    (media_type, data), again = service.bodies
    assert again == (media_type, data)  # a retry sends the same bytes
    message = email.message_from_bytes(f"Content-Type: {media_type}\r\n\r\n".encode() + data)
    parts = [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get_content_type(),
            part.get_payload(decode=True),
        )
        for part in message.get_payload()
    ]
    assert parts == [
        ("title", None, "text/plain", "Grüße".encode()),
        ("n", None, "text/plain", b"1"),
        ("n", None, "text/plain", b"true"),
        ("file", "a%22b.png", "image/png", b"\x89PNG\xff"),
        ("note", "note", "application/octet-stream", b"text"),
    ]


async def test_a_binary_body_is_what_base64_says(send, service):
    await send("plain", method="POST", body_type="binary", body="/wD/")
    assert service.bodies == [("application/octet-stream", b"\xff\x00\xff")]


@pytest.mark.parametrize(
    ("body_type", "body"),
    [
        ("binary", "not base64!"),
        ("binary", {"a": 1}),
        ("multipart", "text"),
        ("multipart", {"a": {"content": 1}}),
        ("multipart", {"a": {"content": "x", "path": "/etc/passwd"}}),
        ("multipart", {"a": {"content": "x", "encoding": "hex"}}),
        ("multipart", {"a": {"content": "x", "content_type": "text/plain\r\nX: y"}}),
        ("multipart", {"a": [[1]]}),
    ],
)
async def test_bodies_that_cannot_be_sent(send, service, body_type, body):
    with pytest.raises(NodeConfigInvalid):
        await send("plain", method="POST", body_type=body_type, body=body)
    assert service.bodies == []


def busy(status, after):
    return web.Response(status=status, headers={} if after is None else {"Retry-After": after})


@pytest.mark.parametrize("after", ["0", "1", lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=1), True)])
@pytest.mark.parametrize("status", [429, 503])
async def test_a_short_wait_is_waited(send, service, status, after):
    service.busy = [busy(status, after if isinstance(after, str) else after())]
    result = await send("plain")
    assert result.output["status"] == 200
    assert 0 < result.meta["waited_seconds"] <= 1


@pytest.mark.parametrize(("status", "after"), [(429, "21"), (429, None), (503, "soon"), (500, "0")])
async def test_what_is_left_to_retry(send, service, status, after):
    service.busy = [busy(status, after)]
    with pytest.raises((DestinationRateLimited, DestinationServerError)) as caught:
        await send("plain")
    assert len(service.queries) == 1
    assert caught.value.details.get("retry_after") == after


async def test_waits_have_an_end(send, service, monkeypatch):
    monkeypatch.setattr(core, "MAX_WAIT_SECONDS", 0.25)
    service.busy = [busy(429, "0") for _ in range(10)]
    with pytest.raises(DestinationRateLimited):
        await send("plain")
    assert len(service.queries) == 3

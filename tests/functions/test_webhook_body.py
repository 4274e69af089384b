"""What a delivery's body becomes."""

import base64

import pytest

from functions.webhook.body import File, parse_body
from shared.errors import MalformedRequest
from shared.settings import DEFAULT_PROJECT_ID
from shared.workflow.claim_checks import check_out


@pytest.mark.parametrize(
    ("content_type", "body", "value"),
    [
        ("application/json", b'{"a": [1]}', {"a": [1]}),
        ("application/cloudevents+json; charset=utf-8", b"[]", []),
        ("", b"1", 1),
        ("APPLICATION/JSON", b"null", None),
        ("application/json", b"", None),
        ("application/x-www-form-urlencoded", b"a=1&b=&a=2", {"a": ["1", "2"], "b": ""}),
        ("text/plain; charset=utf-8", "grüß".encode(), "grüß"),
    ],
)
async def test_bodies(content_type, body, value):
    assert await parse_body(content_type, body) == value


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"a": '),
        ("application/json", b'{"a": NaN}'),
        ("application/json", b'"\\ud800"'),
        ("application/json", b'"\xff"'),
        ("application/json", b"[" * 5_000),
        ("text/plain", b"\xff"),
        ("application/x-www-form-urlencoded", b"a=1&" * 2_000),
    ],
)
async def test_malformed_bodies(content_type, body):
    with pytest.raises(MalformedRequest):
        await parse_body(content_type, body)


PNG = b"\x89PNG\r\n\x1a\n\0\r\r\n"
BOUNDARY = "multipart/form-data; boundary=b"


def form(*parts):
    """A body of `multipart/form-data`."""
    return b"".join(b"--b\r\n" + head + b"\r\n\r\n" + data + b"\r\n" for head, data in parts) + b"--b--\r\n"


def part(name, filename=None, content_type=None):
    head = f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
    return (head + (f"\r\nContent-Type: {content_type}" if content_type else "")).encode()


async def test_other_types_are_files():
    assert await parse_body("image/png", PNG) == File(PNG, "image/png")


async def test_a_form_with_files():
    body = form(
        (part("who"), "Ada ä".encode()),
        (part("tag"), b"a"),
        (part("tag"), b"b"),
        (part("picture", "a.png", "image/png"), PNG),
        (part("raw", "x"), b""),
    )

    assert await parse_body(BOUNDARY, body) == {
        "who": "Ada ä",
        "tag": ["a", "b"],
        "picture": File(PNG, "image/png", "a.png"),
        "raw": File(b"", "application/octet-stream", "x"),
    }


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (BOUNDARY, b"nonsense"),
        ("multipart/form-data", form((part("a"), b"1"))),
        (BOUNDARY, form(*[(part(f"f{n}", "x"), b"") for n in range(21)])),
        (BOUNDARY, form((b"Content-Type: text/plain", b"1"))),
    ],
)
async def test_a_form_that_cannot_be_read(content_type, body):
    with pytest.raises(MalformedRequest):
        await parse_body(content_type, body)


async def test_files_become_claim_checks_that_nodes_redeem(doors):
    workflow = await doors.workflow()
    await doors.trigger(workflow["id"], config={"path": "x", "delivery_id_header": "X-Id"})
    headers = {"Content-Type": BOUNDARY, "X-Id": "1"}
    body = form((part("who"), b"Ada"), (part("picture", "a.png", "image/png"), PNG))

    answers = [await doors.webhook.post("/webhooks/x", content=body, headers=headers) for _ in range(2)]

    assert [each.json()["duplicate"] for each in answers] == [False, True]
    (execution_id,) = {each.json()["execution_id"] for each in answers}
    data = (await doors.api.get(f"/api/executions/{execution_id}")).json()["input"]["body"]
    assert (data["who"], data["picture"]["filename"], data["picture"]["bytes"]) == ("Ada", "a.png", len(PNG))
    ticket = data["picture"]["base64"]
    redeemed = await check_out(ticket, doors.stores.blobs, DEFAULT_PROJECT_ID)
    assert base64.b64decode(redeemed) == PNG
    shown = await doors.api.get(f"/api/executions/{execution_id}/blobs/{ticket['$blob']['sha256']}")
    assert shown.json() == redeemed


async def test_a_picture_as_the_whole_body(doors):
    workflow = await doors.workflow()
    await doors.trigger(workflow["id"], config={"path": "x"})

    answer = await doors.webhook.post("/webhooks/x", content=PNG, headers={"Content-Type": "image/png"})

    execution = (await doors.api.get(f"/api/executions/{answer.json()['execution_id']}")).json()
    body = execution["input"]["body"]
    assert (body["content_type"], body["bytes"], body["filename"]) == ("image/png", len(PNG), None)
    assert base64.b64decode(await check_out(body["base64"], doors.stores.blobs, DEFAULT_PROJECT_ID)) == PNG

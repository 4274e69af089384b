"""What a delivery's body becomes."""

import pytest
from starlette.exceptions import HTTPException

from functions.webhook.body import parse_body
from shared.errors import MalformedRequest


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
def test_bodies(content_type, body, value):
    assert parse_body(content_type, body) == value


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
def test_malformed_bodies(content_type, body):
    with pytest.raises(MalformedRequest):
        parse_body(content_type, body)


def test_other_types_are_refused():
    with pytest.raises(HTTPException) as caught:
        parse_body("image/png", b"\x89PNG")
    assert caught.value.status_code == 415

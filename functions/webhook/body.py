"""A delivery's body as JSON."""

from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.exceptions import HTTPException

from shared.errors import MalformedRequest
from shared.triggers.webhook import grouped

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 1_000


def parse_body(content_type: str, body: bytes) -> Any:
    """JSON as it is, a form as an object, text as a string, nothing as null; without a content type, JSON.

    Raises:
        MalformedRequest: the body is not what its content type says.
        HTTPException: 415, a content type that cannot become JSON.
    """
    if not body:
        return None
    media_type = content_type.partition(";")[0].strip().lower()
    if not media_type or media_type == "application/json" or media_type.endswith("+json"):
        return _json(body)
    if media_type == FORM:
        return _form(body)
    if media_type.startswith("text/"):
        return _text(body)
    allowed = f"application/json, {FORM}, text/*"
    raise HTTPException(415, f"The content type '{media_type[:100]}' is not taken in. Allowed: {allowed}.")


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedRequest(
            f"The body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno}). "
            "Send one JSON document in UTF-8.",
            line=error.lineno,
            column=error.colno,
        ) from None


def _form(body: bytes) -> Any:
    try:
        return grouped(parse_qsl(_text(body), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise MalformedRequest(f"The form has more than {MAX_FIELDS} fields. Send fewer, or JSON.") from None


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"The body is not UTF-8 text (byte {error.start}). Send UTF-8.") from None

"""What a request carries: evaluated JSON values in, bytes and their media type out.

The same value gives the same bytes, boundary included: a retry sends what the first attempt sent, and signs the same.
"""

import binascii
import hashlib
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from shared.errors import NodeConfigInvalid

_PART_FIELDS = frozenset({"filename", "content_type", "content", "encoding"})


@dataclass(frozen=True, slots=True)
class Content:
    data: bytes
    media_type: str


def encoded(body: Any, body_type: str) -> Content | None:
    """The body as `json`, `form`, `multipart`, `text` or `binary` (given as base64); a null body is none.

    Raises:
        NodeConfigInvalid: the value is not what the type can carry.
    """
    if body is None:
        return None
    match body_type:
        case "json":
            return Content(orjson.dumps(body), "application/json")
        case "form":
            return Content(urlencode(pairs_of(body, "body")).encode(), "application/x-www-form-urlencoded")
        case "multipart":
            return _multipart(body)
        case "binary":
            return Content(_bytes(_text(body, "binary"), "body"), "application/octet-stream")
        case _:
            return Content(_text(body, "text").encode(), "text/plain; charset=utf-8")


def _text(body: Any, body_type: str) -> str:
    if isinstance(body, str):
        return body
    raise NodeConfigInvalid(
        f"`body` is {kind_of(body)}, but `body_type: {body_type}` sends a string. Use $string(…), or body_type json."
    )


def _bytes(text: str, field: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NodeConfigInvalid(f"`{field}` is not base64; use $base64encode(…), or send it as text.") from None


def _multipart(body: Any) -> Content:
    """By RFC 7578. A field is text, a number or a boolean; a list repeats it; an object is a file."""
    if not isinstance(body, Mapping):
        raise NodeConfigInvalid(f"`body` is {kind_of(body)}; it must be an object of names and values.")
    parts = [
        _part(name, item)
        for name, given in body.items()
        for item in (given if isinstance(given, list) else [given])
        if item is not None
    ]
    boundary = f"millrace-{hashlib.sha256(b''.join(parts)).hexdigest()[:40]}"
    line = f"--{boundary}".encode()
    data = b"".join(line + b"\r\n" + part + b"\r\n" for part in parts) + line + b"--\r\n"
    return Content(data, f"multipart/form-data; boundary={boundary}")


def _part(name: str, value: Any) -> bytes:
    head = f'Content-Disposition: form-data; name="{_quoted(name)}"'
    if not isinstance(value, Mapping):
        [(_, text)] = pairs_of({name: [value]}, "body")
        return f"{head}\r\n\r\n{text}".encode()
    content = value.get("content")
    if not isinstance(content, str) or not set(value) <= _PART_FIELDS:
        raise NodeConfigInvalid(
            f"`body.{name}` is no file: it takes {', '.join(sorted(_PART_FIELDS))}, and `content` is a string."
        )
    if value.get("encoding") not in (None, "base64"):
        raise NodeConfigInvalid(f"`body.{name}.encoding` must be base64, or left out where `content` is text.")
    data = content.encode() if value.get("encoding") is None else _bytes(content, f"body.{name}.content")
    media_type = str(value.get("content_type") or "application/octet-stream")
    if not media_type.isascii() or not media_type.isprintable():
        raise NodeConfigInvalid(f"`body.{name}.content_type` is not a media type.")
    filename = _quoted(str(value.get("filename") or name))
    return f'{head}; filename="{filename}"\r\nContent-Type: {media_type}\r\n\r\n'.encode() + data


def _quoted(text: str) -> str:
    """As browsers do it; see https://html.spec.whatwg.org/multipage/form-control-infrastructure.html for why."""
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def pairs_of(value: Any, field: str) -> list[tuple[str, str]]:
    """Names with values as text: null leaves a name out, a list repeats it."""
    if value is None:
        return []
    if not isinstance(value, Mapping):
        raise NodeConfigInvalid(f"`{field}` is {kind_of(value)}; it must be an object of names and values.")
    pairs: list[tuple[str, str]] = []
    for name, given in value.items():
        for item in given if isinstance(given, list) else [given]:
            if isinstance(item, dict | list):
                raise NodeConfigInvalid(f"`{field}.{name}` is {kind_of(item)}; it must be text, a number or a boolean.")
            if item is not None:
                pairs.append((name, str(item).lower() if isinstance(item, bool) else str(item)))
    return pairs


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean"}
    return names.get(type(value), "a number")

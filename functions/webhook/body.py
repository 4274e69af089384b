"""A delivery's body as JSON; what is no text goes to the blob store, and a claim check stands for it."""

import base64
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.datastructures import Headers, UploadFile

from shared.errors import MalformedRequest
from shared.triggers.webhook import grouped

FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
MAX_FIELDS = 1_000
MAX_FILES = 20


@dataclass(frozen=True, slots=True)
class File:
    """Bytes that came as a body, or as a part of a form."""

    data: bytes
    content_type: str
    filename: str | None = None


async def parse_body(content_type: str, body: bytes) -> Any:
    """JSON as it is, a form as an object, text as a string, nothing as null, anything else as a File; without a content
    type, JSON.

    Raises:
        MalformedRequest: the body is not what its content type says.
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
    if media_type == MULTIPART:
        return await _multipart(content_type, body)
    return File(body, content_type[:200])


def checked_in(parsed: Any, prefix: str) -> tuple[Any, dict[str, bytes]]:
    """The body with `{filename, content_type, bytes, base64}` for each file, and what has to be kept under which key.

    `base64` is a claim check: a node that reads it gets the text, and the state machine does not carry it.
    """
    blobs: dict[str, bytes] = {}
    if isinstance(parsed, dict):  # of a form: files are nowhere deeper
        return {name: _form_value(each, prefix, blobs) for name, each in parsed.items()}, blobs
    return _checked_in(parsed, prefix, blobs), blobs


def _form_value(value: Any, prefix: str, blobs: dict[str, bytes]) -> Any:
    if isinstance(value, list):
        return [_checked_in(each, prefix, blobs) for each in value]
    return _checked_in(value, prefix, blobs)


def _checked_in(value: Any, prefix: str, blobs: dict[str, bytes]) -> Any:
    if not isinstance(value, File):
        return value
    text = orjson.dumps(base64.b64encode(value.data).decode())
    digest = hashlib.sha256(text).hexdigest()
    key = f"{prefix}/{digest}"
    blobs[key] = text
    ticket = {"$blob": {"key": key, "bytes": len(text), "sha256": digest}}
    about = {"filename": value.filename, "content_type": value.content_type, "bytes": len(value.data)}
    return {**about, "base64": ticket}


async def _multipart(content_type: str, body: bytes) -> Any:
    from starlette.formparsers import MultiPartException, MultiPartParser  # noqa: PLC0415 - few senders need it

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    headers = Headers({"content-type": content_type})
    parser = MultiPartParser(
        headers, stream(), max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=max(len(body), 1)
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, UnicodeDecodeError) as error:
        raise MalformedRequest(f"The form cannot be read: {str(error)[:200]}") from None
    items = [(name, value if isinstance(value, str) else await _file(value)) for name, value in form.multi_items()]
    await form.close()
    found: dict[str, Any] = {}
    for name, value in items:
        found[name] = [*_listed(found[name]), value] if name in found else value
    return found


async def _file(upload: UploadFile) -> File:
    return File(await upload.read(), upload.content_type or "application/octet-stream", upload.filename)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


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

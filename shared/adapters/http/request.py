"""A request out of what an author wrote: evaluated JSON values in, a Request or a clear error out."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
from yarl import URL

from shared.adapters.http.client import Request, parsed
from shared.adapters.http.exchange import ACCEPT_ENCODING
from shared.errors import NodeConfigInvalid
from shared.version import VERSION

USER_AGENT = f"Millrace/{VERSION}"

_OWN_HEADERS = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)
_CONTENT_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "text": "text/plain; charset=utf-8",
}


def compose(
    method: str,
    url: str,
    *,
    query: Any = None,
    headers: Any = None,
    body: Any = None,
    body_type: str = "json",
    idempotency_key: str | None = None,
) -> Request:
    """The request. `query` and `headers` are objects; `body_type` is json, form or text; a null body sends none.

    The author's headers win over ours. `idempotency_key` is the same for every attempt, so that a service that knows
    the header does the work once (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).

    Raises:
        NodeConfigInvalid: a value is not what HTTP can carry.
    """
    ours = {"accept": "*/*", "accept-encoding": ACCEPT_ENCODING, "user-agent": USER_AGENT}
    if idempotency_key is not None:
        ours["idempotency-key"] = idempotency_key
    chosen = ours | _headers(headers)
    content = _content(body, body_type)
    if content is not None:
        chosen.setdefault("content-type", _CONTENT_TYPES[body_type])
    return Request(method, _url(url, query), chosen, content)


def _url(text: str, query: Any) -> URL:
    try:
        url = parsed(text)
    except ValueError as error:
        raise NodeConfigInvalid(f"`url` is not a URL: {error}. Write it in full: https://example.com/path.") from None
    if not url.scheme:
        raise NodeConfigInvalid(f"The URL '{url.path[:80]}' has no scheme. Write it in full: https://example.com/path.")
    pairs = _pairs(query, "query")
    return url.extend_query(pairs) if pairs else url


def _headers(headers: Any) -> dict[str, str]:
    chosen = {}
    for name, value in _pairs(headers, "headers"):
        if name.lower() in _OWN_HEADERS:
            raise NodeConfigInvalid(f"The header '{name}' can not be set: it is made from the request itself.")
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise NodeConfigInvalid(f"'{name}' is not a header name; use letters, digits, '-' and '_'.")
        if not value.isascii() or not value.isprintable():
            raise NodeConfigInvalid(
                f"The value of the header '{name}' has control characters or letters outside ASCII; encode them."
            )
        chosen[name.lower()] = value
    return chosen


def _content(body: Any, body_type: str) -> bytes | None:
    if body is None:
        return None
    if body_type == "json":
        return orjson.dumps(body)
    if body_type == "form":
        return urlencode(_pairs(body, "body")).encode()
    if not isinstance(body, str):
        raise NodeConfigInvalid(
            f"`body` is {_kind(body)}, but `body_type: text` sends a string. Use $string(…), or body_type json."
        )
    return body.encode()


def _pairs(value: Any, field: str) -> list[tuple[str, str]]:
    """Names with values as text: null leaves a name out, a list repeats it."""
    if value is None:
        return []
    if not isinstance(value, Mapping):
        raise NodeConfigInvalid(f"`{field}` is {_kind(value)}; it must be an object of names and values.")
    pairs: list[tuple[str, str]] = []
    for name, given in value.items():
        for item in given if isinstance(given, list) else [given]:
            if isinstance(item, dict | list):
                raise NodeConfigInvalid(f"`{field}.{name}` is {_kind(item)}; it must be text, a number or a boolean.")
            if item is not None:
                pairs.append((name, str(item).lower() if isinstance(item, bool) else str(item)))
    return pairs


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean"}
    return names.get(type(value), "a number")

"""A request out of what an author wrote: evaluated JSON values in, a Request or a clear error out."""

from typing import Any

from yarl import URL

from shared.adapters.http.body import encoded, pairs_of
from shared.adapters.http.client import Request, parsed
from shared.adapters.http.exchange import ACCEPT_ENCODING
from shared.errors import NodeConfigInvalid
from shared.version import VERSION

USER_AGENT = f"Millrace/{VERSION}"

_OWN_HEADERS = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)


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
    """The request. `query` and `headers` are objects; for `body_type` see `body`; a null body sends none.

    The author's headers win over ours. `idempotency_key` is the same for every attempt, so that a service that knows
    the header does the work once (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).

    Raises:
        NodeConfigInvalid: a value is not what HTTP can carry.
    """
    ours = {"accept": "*/*", "accept-encoding": ACCEPT_ENCODING, "user-agent": USER_AGENT}
    if idempotency_key is not None:
        ours["idempotency-key"] = idempotency_key
    chosen = ours | _headers(headers)
    content = encoded(body, body_type)
    if content is not None:
        chosen.setdefault("content-type", content.media_type)
    return Request(method, _url(url, query), chosen, None if content is None else content.data)


def _url(text: str, query: Any) -> URL:
    try:
        url = parsed(text)
    except ValueError as error:
        raise NodeConfigInvalid(f"`url` is not a URL: {error}. Write it in full: https://example.com/path.") from None
    if not url.scheme:
        raise NodeConfigInvalid(f"The URL '{url.path[:80]}' has no scheme. Write it in full: https://example.com/path.")
    pairs = pairs_of(query, "query")
    return url.extend_query(pairs) if pairs else url


def _headers(headers: Any) -> dict[str, str]:
    chosen = {}
    for name, value in pairs_of(headers, "headers"):
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

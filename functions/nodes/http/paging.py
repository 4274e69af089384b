"""Page after page of a list, within bounds of pages, items and bytes.

A next page is at the origin of the first: the author's headers and credentials are for that origin, and a page that
could have them sent elsewhere would be a way to get at them.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from yarl import URL

from shared.adapters.http.answer import Answer
from shared.adapters.http.client import Request, parsed
from shared.errors import DestinationRefused, NodeConfigInvalid, ResponseTooLarge
from shared.workflow.pagination import CursorPages, LinkPages, NextUrlPages, NumberedPages, OffsetPages, Pagination

_LINK = re.compile(r"<([^>]*)>([^<]*)")
_REL = re.compile(r""";\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))""", re.IGNORECASE)


@dataclass(slots=True)
class Gathered:
    """What came of all pages. `more`: a bound ended it, and there may be further pages."""

    items: list[Any] = field(default_factory=list)
    pages: int = 0
    more: bool = False
    last: Answer | None = None

    def as_output(self) -> dict[str, Any]:
        """`{status, headers, body, pages, more}`: status and headers of the last page, and all items as the body."""
        status, headers = (self.last.status, self.last.headers) if self.last is not None else (None, {})
        return {"status": status, "headers": headers, "body": self.items, "pages": self.pages, "more": self.more}


async def gather(
    request: Request, paging: Pagination, most_bytes: int, send: Callable[[Request], Awaitable[Answer]]
) -> Gathered:
    """All items, page after page. `send` gives an answer of a status below 400, or raises.

    Raises:
        NodeConfigInvalid: a page has no list where `items` says.
        DestinationRefused: the next page is at another origin, or is one that was there before.
        ResponseTooLarge: the pages together have more than `most_bytes`.
    """
    found, seen, taken = Gathered(), {str(request.url)}, 0
    following: Request | None = _first(request, paging)
    while following is not None:
        if found.pages >= paging.max_pages or len(found.items) >= paging.max_items:
            found.more = True
            break
        found.last = await send(following)
        found.pages += 1
        taken += len(found.last.body)
        if taken > most_bytes:
            raise ResponseTooLarge(
                f"The first {found.pages} pages of {found.last.what} have more than {most_bytes} bytes. "
                "Lower max_pages, or raise max_response_bytes.",
                limit=most_bytes,
            )
        content, _ = found.last.content()
        items = _items(content, paging.items, found.last.what)
        found.items += items
        following = _next(following, found.last, content, paging, found) if items or _named(paging) else None
        _check(following, request, seen)
    if len(found.items) > paging.max_items:
        found.items, found.more = found.items[: paging.max_items], True
    return found


def _named(paging: Pagination) -> bool:
    """Whether the service names the next page; else the first page without items is the last."""
    return isinstance(paging, LinkPages | NextUrlPages | CursorPages)


def _first(request: Request, paging: Pagination) -> Request:
    if isinstance(paging, NumberedPages):
        return _with(request, paging.parameter, paging.first)
    return request


def _next(request: Request, answer: Answer, content: Any, paging: Pagination, found: Gathered) -> Request | None:
    match paging:
        case LinkPages():
            return _at(request, linked(answer.headers.get("link", "")))
        case NextUrlPages():
            return _at(request, pointed(content, paging.next))
        case CursorPages():
            cursor = pointed(content, paging.next)
            return None if cursor in (None, "", False) else _with(request, paging.parameter, cursor)
        case NumberedPages():
            return _with(request, paging.parameter, paging.first + found.pages)
        case OffsetPages():
            return _with(request, paging.parameter, len(found.items))


def _check(following: Request | None, first: Request, seen: set[str]) -> None:
    if following is None:
        return
    if following.url.origin() != first.url.origin():
        raise DestinationRefused(
            f"The next page is at {following.url.raw_host}, not at {first.url.raw_host}: the request's headers are not "
            "sent to another host.",
            host=first.url.raw_host,
        )
    if str(following.url) in seen:
        raise DestinationRefused("The next page is one that was there before.", host=first.url.raw_host)
    seen.add(str(following.url))


def _with(request: Request, parameter: str, value: Any) -> Request:
    if isinstance(value, dict | list | bool):
        raise NodeConfigInvalid(f"The cursor for `{parameter}` is neither text nor a number; correct `paginate.next`.")
    return replace(request, url=request.url.update_query({parameter: str(value)}))


def _at(request: Request, where: Any) -> Request | None:
    if where in (None, "", False):
        return None
    try:
        url = request.url.join(parsed(where))
        _ = url.origin()
    except (ValueError, TypeError):
        raise DestinationRefused("The next page has an address that is no URL.", host=request.url.raw_host) from None
    return replace(request, url=URL(url))


def linked(header: str) -> str | None:
    """The target of `rel="next"` in a Link header; source: RFC 8288, 3."""
    for target, parameters in _LINK.findall(header):
        for quoted, token in _REL.findall(parameters):
            if "next" in (quoted or token).lower().split():
                return str(target)
    return None


def pointed(value: Any, pointer: str) -> Any:
    """What a JSON Pointer points at, or None; source: RFC 6901."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def _items(content: Any, pointer: str, what: str) -> list[Any]:
    items = pointed(content, pointer)
    if items is None and pointer:
        return []
    if not isinstance(items, list):
        raise NodeConfigInvalid(
            f"{what} has no list at '{pointer}'. Let `paginate.items` point at the list, such as /data."
        )
    return items

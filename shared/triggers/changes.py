"""What is new in a source's answer: change detection, and what it remembers from poll to poll."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from shared.triggers.polling import MAX_ITEMS, ByCursor, ByIds, ByValidator, PollingTriggerConfig
from shared.triggers.templates import filled
from shared.workflow.expressions import UndefinedResult

NOT_MODIFIED = 304
_SHORT = 64


class DetectionFailed(Exception):
    """The answer does not fit the config; in words for an author."""


class Seen(BaseModel):
    """What was seen of a source. `polled`: there was a first poll."""

    model_config = ConfigDict(extra="forbid")

    polled: bool = False
    cursor: int | float | str | None = None
    at_cursor: list[str] = []
    """Keys of the items at the cursor."""
    ids: list[str] = []
    """Keys, the longest unseen first."""
    etag: str | None = None
    last_modified: str | None = None
    digest: str | None = None


def items_of(config: PollingTriggerConfig, response: Any) -> list[Any]:
    """The items of an answer, oldest first.

    Raises:
        DetectionFailed: there are more than MAX_ITEMS.
        ExpressionError: the expression fails.
    """
    default = "{% $response.body %}" if config.source.type == "http" else "{% $response %}"
    try:
        found = filled(config.items or default, {"response": response})
    except UndefinedResult:
        return []
    items = found if isinstance(found, list) else [] if found is None else [found]
    if len(items) > MAX_ITEMS:
        raise DetectionFailed(f"The answer has {len(items)} items; at most {MAX_ITEMS} are taken in. Ask for less.")
    return items[::-1] if config.order == "newest_first" else items


def detect(config: PollingTriggerConfig, seen: Seen, response: Any) -> tuple[list[Any], Seen]:
    """The items to emit, oldest first, and what has been seen with them. `seen` itself stays as it is.

    Raises:
        DetectionFailed: items have no id or no cursor, or the source sends no validators.
        ExpressionError: an expression fails.
    """
    after = seen.model_copy(deep=True, update={"polled": True})
    if isinstance(config.detect, ByValidator):
        found = _by_validator(config, after, response)
    elif isinstance(config.detect, ByIds):
        found = _by_ids(config.detect, after, items_of(config, response))
    elif isinstance(config.detect, ByCursor):
        found = _by_cursor(config.detect, after, items_of(config, response))
    else:
        found = _by_hash(after, items_of(config, response))
    return (found if seen.polled else _first(config, found)), after


def _first(config: PollingTriggerConfig, found: list[Any]) -> list[Any]:
    if config.first_poll.policy == "emit_latest":
        return found[-config.first_poll.count :]
    return found if config.first_poll.policy == "emit_all" else []


def _by_ids(rule: ByIds, seen: Seen, items: Sequence[Any]) -> list[Any]:
    keys = [_key(value) for value in _values(items, rule.id, "id")]
    known, fresh = set(seen.ids), []
    for key, item in zip(keys, items, strict=True):
        if key not in known:
            known.add(key)
            fresh.append(item)
    present = dict.fromkeys(keys)
    others = [key for key in seen.ids if key not in present]
    seen.ids = [*others[-rule.remember :], *present]
    return fresh


def _by_cursor(rule: ByCursor, seen: Seen, items: Sequence[Any]) -> list[Any]:
    cursors = _values(items, rule.cursor, "cursor")
    _check_cursors([*cursors, *([] if seen.cursor is None else [seen.cursor])])
    keys = [_key(value) for value in (_values(items, rule.id, "id") if rule.id is not None else items)]
    known, fresh = set(seen.at_cursor), []
    for cursor, key, item in sorted(zip(cursors, keys, items, strict=True), key=lambda each: each[0]):
        if seen.cursor is not None and (cursor < seen.cursor or (cursor == seen.cursor and key in known)):
            continue
        if cursor != seen.cursor:
            seen.cursor, known = cursor, set()
        known.add(key)
        fresh.append(item)
    seen.at_cursor = sorted(known)
    return fresh


def _by_validator(config: PollingTriggerConfig, seen: Seen, response: Any) -> list[Any]:
    headers = response["headers"]
    if response["status"] == NOT_MODIFIED:
        return []
    etag, modified = headers.get("etag"), headers.get("last-modified")
    if etag is None and modified is None:
        raise DetectionFailed("The source sends neither ETag nor Last-Modified. Detect changes by 'hash' instead.")
    if (etag, modified) == (seen.etag, seen.last_modified):
        return []
    seen.etag, seen.last_modified = etag, modified
    return items_of(config, response)


def _by_hash(seen: Seen, items: list[Any]) -> list[Any]:
    digest = _digest(items)
    changed, seen.digest = digest != seen.digest, digest
    return items if changed else []


def _values(items: Sequence[Any], expression: str, what: str) -> list[Any]:
    return [_value(item, number, expression, what) for number, item in enumerate(items)]


def _value(item: Any, number: int, expression: str, what: str) -> Any:
    try:
        value = filled(expression, {"item": item})
    except UndefinedResult:
        value = None
    if value is None:
        raise DetectionFailed(f"Item {number} has no {what}: {expression} yields nothing. Correct detect.{what}.")
    return value


def _check_cursors(cursors: Sequence[Any]) -> None:
    """Numbers and texts have an order, each among themselves."""
    kinds: tuple[Callable[[Any], bool], ...] = (
        lambda value: isinstance(value, str),
        lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    )
    if not any(all(kind(cursor) for cursor in cursors) for kind in kinds):
        raise DetectionFailed("Cursors must be all numbers or all texts, from poll to poll. Correct detect.cursor.")


def _key(value: Any) -> str:
    """Short values as they are, in JSON, so that 1 and "1" differ; others as a digest."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return text if len(text) <= _SHORT else _digest(value)


def _digest(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()

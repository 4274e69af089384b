"""Scrubs secrets from what a node hands on and from what it logs, in every form in which they travel.

A service may echo what it was sent: in an answer, in an error, in a header. What a workflow keeps is read by many.
"""

import logging
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote, quote_plus

import orjson

REDACTED = "[redacted]"

_SHORTEST = 4
"""A shorter secret cannot be told from ordinary text."""


class Redactor:
    """Knows the secrets of one call. `add` takes those that come up on the way, such as fetched tokens."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: list[str] = []
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """One more secret, with its forms: as JSON, URL-encoded, base64."""
        if len(secret) < _SHORTEST:
            return
        found = {*self._forms, *_forms(secret)}
        self._forms = sorted(found, key=len, reverse=True)  # the longest first: one form may hold another

    def scrub(self, value: Any) -> Any:
        """The JSON value with `[redacted]` in place of every secret; keys of objects too."""
        if not self._forms:
            return value
        if isinstance(value, str):
            for form in self._forms:
                if form in value:
                    value = value.replace(form, REDACTED)
            return value
        if isinstance(value, dict):
            return {self.scrub(key): self.scrub(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.scrub(item) for item in value]
        return value


def _forms(secret: str) -> set[str]:
    data = secret.encode()
    encoded = {b64encode(data).decode(), urlsafe_b64encode(data).decode()}
    return {
        secret,
        orjson.dumps(secret).decode()[1:-1],
        quote(secret, safe=""),
        quote_plus(secret),
        *encoded,
        *(each.rstrip("=") for each in encoded),
    }


_ACTIVE: ContextVar[Redactor | None] = ContextVar("redactor", default=None)


@contextmanager
def redacting(redactor: Redactor) -> Iterator[None]:
    """Everything that is logged inside passes `redactor`, also across `await`."""
    token = _ACTIVE.set(redactor)
    try:
        yield
    finally:
        _ACTIVE.reset(token)


def keep_secret(secret: str) -> None:
    """One more secret for the redactor in force here: a token that was fetched on the way."""
    redactor = _ACTIVE.get()
    if redactor is not None:
        redactor.add(secret)


def scrubbed(value: Any) -> Any:
    """The JSON value without the secrets that the redactor in force here knows."""
    redactor = _ACTIVE.get()
    return value if redactor is None else redactor.scrub(value)


class RedactingFilter(logging.Filter):
    """On the handler of the root: scrubs message, arguments, extra fields and tracebacks of the records made inside."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every record through, scrubbed."""
        redactor = _ACTIVE.get()
        if redactor is None:
            return True
        record.msg, record.args = redactor.scrub(record.getMessage()), None
        if record.exc_info:
            record.exc_text = redactor.scrub(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        for name, value in vars(record).items():
            if isinstance(value, str | dict | list):
                setattr(record, name, redactor.scrub(value))
        return True

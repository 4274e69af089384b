"""What a service answered: status, headers and the whole body, and what a workflow sees of them."""

import codecs
import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import orjson

from shared.errors import DestinationRateLimited, DestinationRefused, DestinationServerError, ResponseTooLarge

_EXCERPT_CHARACTERS = 300
_CHARSET = re.compile(r"""charset=["']?([\w.:-]+)""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """`what` names the request in messages: method and URL without its query, which may hold a key."""

    what: str
    host: str
    status: int
    headers: dict[str, str]
    """Lower-case names; repeated ones joined by commas; without those that carry credentials, such as Set-Cookie."""
    body: bytes
    duration_ms: float

    def content(self) -> tuple[Any, str]:
        """The body as JSON value and how it got there: `json`, `text`, `base64` (binary), or `none` where it is empty.

        JSON only where the content type says so and the body keeps the promise.
        """
        if not self.body:
            return None, "none"
        media_type = self.headers.get("content-type", "").split(";")[0].strip().lower()
        if media_type == "application/json" or media_type.endswith("+json"):
            try:
                return orjson.loads(self.body), "json"
            except orjson.JSONDecodeError:
                pass
        try:
            return self.body.decode(self._charset()), "text"
        except (UnicodeDecodeError, LookupError):
            return b64encode(self.body).decode("ascii"), "base64"

    def as_output(self, limit: int) -> dict[str, Any]:
        """`{status, headers, body}`, with `body_encoding: base64` where the body is binary.

        Raises:
            ResponseTooLarge: the body is binary, and as base64 larger than `limit` bytes.
        """
        body, kind = self.content()
        output: dict[str, Any] = {"status": self.status, "headers": self.headers, "body": body}
        if kind == "base64":
            if len(body) > limit:
                raise ResponseTooLarge(
                    f"The binary answer to {self.what} is {len(body)} bytes as base64; allowed are {limit}.",
                    limit=limit,
                )
            output["body_encoding"] = "base64"
        return output

    def raise_for_status(self) -> None:
        """Raises DestinationRateLimited for 429, DestinationServerError for 5xx, DestinationRefused for other 4xx."""
        if self.status < HTTPStatus.BAD_REQUEST:
            return
        details: dict[str, Any] = {"status": self.status, "host": self.host}
        message = f"{self.what} answered {self.status}{_phrase(self.status)}{self._excerpt()}"
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise DestinationRateLimited(message, **details, **self._later())
        if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise DestinationServerError(message, **details, **self._later())
        raise DestinationRefused(message, **details)

    def retry_after(self, now: datetime) -> float | None:
        """Seconds until the service wants to be asked again, where it says so; source: RFC 9110, 10.2.3."""
        given = self.headers.get("retry-after", "").strip()
        if given.isascii() and given.isdigit():
            return float(given)
        try:
            return max(0.0, (parsedate_to_datetime(given) - now).total_seconds())
        except (TypeError, ValueError):
            return None

    def _later(self) -> dict[str, str]:
        given = self.headers.get("retry-after")
        return {} if given is None else {"retry_after": given}

    def _charset(self) -> str:
        """What the content type names, where Python knows it; else UTF-8."""
        named = _CHARSET.search(self.headers.get("content-type", ""))
        try:
            return codecs.lookup(named[1]).name if named else "utf-8"
        except LookupError:
            return "utf-8"

    def _excerpt(self) -> str:
        value, kind = self.content()
        if kind not in ("json", "text"):
            return "."
        text = self.body.decode(errors="replace") if kind == "json" else str(value)
        short = " ".join(text.split())[:_EXCERPT_CHARACTERS]
        return f": {short}" if short else "."


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""

"""A delivery as its sender signed it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.errors import SignatureInvalid

_MAX_TIMESTAMP_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Delivery:
    """What signatures are computed over."""

    method: str
    url: str
    """As it arrived, with its query; may be empty where the scheme does not sign it (see reads_url)."""
    headers: Sequence[tuple[str, str]]
    query: Sequence[tuple[str, str]]
    body: bytes
    """The raw bytes, before anything was parsed."""
    at: datetime
    """When it arrived, by our clock."""

    def header(self, name: str) -> str:
        """The one value of a header, whatever the case of its name.

        Raises:
            SignatureInvalid: it is missing, or there are several: proxies differ in which one they believe.
        """
        wanted = name.lower()
        return _only([value for key, value in self.headers if key.lower() == wanted], f"header {name}")

    def parameter(self, name: str) -> str:
        """The one value of a query parameter; raises SignatureInvalid as `header` does."""
        return _only([value for key, value in self.query if key == name], f"query parameter {name}")

    def fresh(self, timestamp: str, tolerance_seconds: int) -> str:
        """The Unix timestamp (seconds), given back if it is within the tolerance, in both directions.

        Raises:
            SignatureInvalid: it is not a number, or too old or too new to be no replay.
        """
        number = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _MAX_TIMESTAMP_DIGITS
        if not number or abs(self.at.timestamp() - int(timestamp)) > tolerance_seconds:
            raise SignatureInvalid(
                "The delivery's timestamp is not a Unix time in seconds that is within "
                f"{tolerance_seconds} seconds of now. Send it again, freshly signed; set the sender's clock."
            )
        return timestamp


def _only(values: list[str], what: str) -> str:
    if len(values) == 1:
        return values[0]
    problem = f"came {len(values)} times" if values else "is missing"
    raise SignatureInvalid(f"The delivery is not proved: the {what} {problem}. Send it exactly once.")

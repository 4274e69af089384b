"""Circuit breakers: destinations that failed again and again are left alone for a while.

Terms:
  destination  `host:port` that requests of a project go to
  closed       requests go through; so it is unless many in a row failed
  open         requests are refused here, until `retry_at`
  half-open    one request, the probe, goes through; its outcome closes the circuit or opens it for longer
Source: M. Nygard, Release It!, 2nd ed., 5 (Circuit Breaker).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class CircuitState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Circuit:
    """A destination with failures. `failures` are those in a row; at `retry_at` an open one lets a probe through."""

    destination: str
    state: CircuitState
    failures: int
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Permit:
    """Whether a request may go out: `wait_seconds` is 0 where it may. `probe`: its outcome decides."""

    wait_seconds: float = 0.0
    probe: bool = False


class Circuits(Protocol):
    """Shared by all processes. Without its server every circuit is closed: a breaker must not break what works."""

    async def ask(self, project_id: str, destination: str) -> Permit: ...

    async def succeeded(self, project_id: str, destination: str, permit: Permit) -> None:
        """The destination answered."""

    async def failed(self, project_id: str, destination: str, permit: Permit) -> None:
        """It did not, or not in time, or with 5xx."""

    async def released(self, project_id: str, destination: str, permit: Permit) -> None:
        """The request says nothing of the destination: another one may be the probe."""

    async def list(self, project_id: str) -> Sequence[Circuit]:
        """Destinations with failures, by name. Raises StoreUnavailable."""

    async def reset(self, project_id: str, destination: str) -> bool:
        """Closes the circuit; False where the destination has no failures. Raises StoreUnavailable."""

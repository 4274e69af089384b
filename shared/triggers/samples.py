"""Deliveries to a webhook's test URL, kept for whoever writes its workflow."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

MOST_SAMPLES = 10
"""Of one webhook; older ones go."""

Outcome = Literal["starts", "ignored", "refused"]


@dataclass(frozen=True, slots=True)
class WebhookSample:
    """One delivery, and what it would have done at the webhook's own URL."""

    id: str
    project_id: str
    trigger_id: str
    received_at: datetime
    delivery: dict[str, Any]
    """`{body, headers, query, method}`, as filter and transform see it: without credentials."""
    outcome: Outcome
    input: Any
    """The workflow's input, where it `starts`."""
    problem: dict[str, Any] | None
    """`{code, detail}`, where it would be `refused`."""

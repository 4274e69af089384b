"""Events, as the API takes and shows them."""

from typing import Any

from pydantic import BaseModel, Field

from functions.api.models.common import Body

MAX_ENTRIES = 100


class PublishEvent(BaseModel):
    """One event. It is checked by itself, so that one that is refused harms no other of its batch."""

    id: str | None = Field(
        default=None, description="Names the event: the same one is taken once. Minted where left out."
    )
    source: str = Field(examples=["shop"])
    detail_type: str = Field(alias="detail-type", examples=["order.created"])
    detail: dict[str, Any] = Field(default={}, examples=[{"order": 7, "total": 120}])
    time: str | None = Field(default=None, description="RFC 3339; by default now.")
    resources: list[str] = []


class PublishedEntry(BaseModel):
    """What became of one event: `event_id`, or `error_code` and `error_message`."""

    event_id: str | None = None
    duplicate: bool = Field(default=False, description="It was published before, and starts nothing again.")
    error_code: str | None = None
    error_message: str | None = None


class PublishedEvents(BaseModel):
    """The entries in the order of the request. Those that failed may be sent again, alone or with the others."""

    failed_entry_count: int
    entries: list[PublishedEntry]


class TestPattern(Body):
    pattern: Any = Field(examples=[{"source": ["shop"], "detail": {"total": [{"numeric": [">", 100]}]}}])
    event: dict[str, Any] = Field(examples=[{"source": "shop", "detail": {"total": 120}}])


class PatternResult(BaseModel):
    matches: bool

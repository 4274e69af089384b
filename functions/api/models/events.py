"""Events, as the API takes and shows them."""

from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, Field

from functions.api.models.common import Body, Timestamp
from shared.triggers import dead_letters
from shared.triggers.dead_letters import LetterStatus, Stage
from shared.triggers.events import records, replays
from shared.triggers.events.replays import ReplayStatus

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


class EventOut(BaseModel):
    """An event of the archive; `event` is what patterns and expressions see."""

    received_at: Timestamp
    depth: int = Field(description="How many executions, each started by an event of the one before, led to it.")
    event: dict[str, Any]

    @classmethod
    def of(cls, event: records.Event) -> "EventOut":
        """The stored event."""
        return cls(received_at=event.received_at, depth=event.depth, event=event.document)


class CreateReplay(Body):
    """Events taken in from `starts_at` until before `ends_at` go to the triggers once more."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9._-]{1,64}$", description="The same one is replayed once.", examples=["after-the-fix"]
    )
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    pattern: dict[str, Any] | None = Field(default=None, description="Beside the triggers' own patterns.")
    trigger_ids: list[str] = Field(min_length=1, max_length=20)


class ReplayOut(BaseModel):
    id: str
    name: str
    status: ReplayStatus
    starts_at: Timestamp
    ends_at: Timestamp
    pattern: dict[str, Any] | None
    trigger_ids: list[str]
    scanned: int = Field(description="Events looked at so far.")
    delivered: int = Field(description="Executions started so far; what failed is among the dead letters.")
    created_at: Timestamp
    completed_at: Timestamp | None

    @classmethod
    def of(cls, replay: replays.Replay) -> "ReplayOut":
        """The stored replay."""
        return cls(**{name: getattr(replay, name) for name in cls.model_fields})


class DeadLetterOut(BaseModel):
    """What could not be started, and why."""

    id: str
    stage: Stage
    trigger_id: str | None
    workflow_id: str | None
    code: str = Field(examples=["input.invalid"])
    reason: str
    status: LetterStatus
    attempts: int
    execution_id: str | None = Field(description="What a redrive started.")
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, letter: dead_letters.DeadLetter) -> Self:
        """The stored letter without its payload: a list stays small."""
        return cls(**{name: getattr(letter, name) for name in cls.model_fields})


class DeadLetterWhole(DeadLetterOut):
    payload: dict[str, Any]


class ManyLetters(Body):
    ids: list[str] = Field(min_length=1, max_length=200)


class SettledLetter(BaseModel):
    """What became of one: its letter, or an error."""

    id: str
    status: LetterStatus | None = None
    execution_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None


class SettledLetters(BaseModel):
    failed_count: int
    items: list[SettledLetter]

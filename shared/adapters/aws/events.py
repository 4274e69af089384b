"""The project's event bus on AWS: one EventBridge bus a deployment, which all projects share.

EventBridge gives events ids of its own and knows no projects. What Millrace publishes therefore carries both among its
resources, as `millrace:project:<id>` and `millrace:event:<id>`; they are taken out again before anybody sees the event.
What others put on the bus may name its project in the same way, and belongs to the default project otherwise.
Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
"""

import asyncio
from datetime import datetime
from typing import Any

import orjson
from botocore.exceptions import ClientError

from shared.adapters.aws.client import call, client, code_of
from shared.adapters.aws.repeating import Repeating
from shared.errors import InvalidParameter, StoreUnavailable
from shared.ids import is_id, new_id
from shared.ports.events import EventBus, EventReplays
from shared.settings import DEFAULT_PROJECT_ID
from shared.triggers.events.records import OWN_SOURCES, Event, Published
from shared.triggers.events.replays import Replay, ReplayStatus

MAX_ENTRIES = 10
MAX_BYTES = 256 * 1024
"""Of all entries of a request."""
_MARK, _PROJECT, _EVENT = "millrace:", "millrace:project:", "millrace:event:"

_Waiting = tuple[dict[str, Any], int, "asyncio.Future[None]"]


class EventBridgeBus(EventBus):
    """Events that are published together share requests. Whether an id came before is only found out behind the bus,
    where an event of a known id is not shown again; nobody here is told."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def publish(self, event: Event) -> Published:
        """Durable once this returns.

        Raises:
            InvalidParameter: a resource looks like one of Millrace's own.
            StoreUnavailable: EventBridge does not take it; the same id may be sent again.
        """
        entry = entry_of(event, self._name)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, _bytes(entry), future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        await future
        return Published(event.id)

    async def _drain(self) -> None:
        await asyncio.sleep(0)  # tasks that became ready together publish together
        while self._waiting:
            batch, size = [self._waiting.pop(0)], 0
            size = batch[0][1]
            while self._waiting and len(batch) < MAX_ENTRIES and size + self._waiting[0][1] <= MAX_BYTES:
                batch.append(self._waiting.pop(0))
                size += batch[-1][1]
            await _put(batch)
        self._task = None


async def _put(batch: list[_Waiting]) -> None:
    try:
        answer = await call(client("events").put_events, Entries=[entry for entry, _, _ in batch])
        refusals = [each.get("ErrorCode") for each in answer["Entries"]]
    except StoreUnavailable as error:
        refusals = [error.message] * len(batch)
    except ClientError as error:
        refusals = [code_of(error)] * len(batch)
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait
        for _, _, future in batch:
            future.set_exception(error)
        return
    for (_, _, future), refusal in zip(batch, refusals, strict=True):
        if refusal is None:
            future.set_result(None)
        else:
            future.set_exception(StoreUnavailable(f"EventBridge took nothing ({refusal}). Send it again."))


def entry_of(event: Event, bus: str) -> dict[str, Any]:
    """An event as PutEvents takes it. Raises InvalidParameter where it claims to be another project's."""
    document = event.document
    if any(each.startswith(_MARK) for each in document["resources"]):
        raise InvalidParameter(f"A resource begins with '{_MARK}', as only Millrace's own do. Name it otherwise.")
    return {
        "EventBusName": bus,
        "Source": document["source"],
        "DetailType": document["detail-type"],
        "Detail": orjson.dumps(document["detail"]).decode(),
        "Time": datetime.fromisoformat(document["time"]),
        "Resources": [_PROJECT + event.project_id, _EVENT + event.id, *document["resources"]],
    }


def event_from(delivered: dict[str, Any], now: datetime) -> Event:
    """The event that a rule of the bus delivers, as its publisher meant it. Raises KeyError or TypeError for another
    thing."""
    marks = [each for each in delivered["resources"] if each.startswith(_MARK)]
    project_id = _marked(marks, _PROJECT) or DEFAULT_PROJECT_ID
    document = delivered | {
        "id": _marked(marks, _EVENT) or delivered["id"],
        "resources": [each for each in delivered["resources"] if not each.startswith(_MARK)],
    }
    depth = document["detail"].get("depth", 0) if document["source"].startswith(OWN_SOURCES) else 0
    return Event(
        new_id(), project_id if is_id(project_id) else DEFAULT_PROJECT_ID, document["id"], now, document, depth
    )


def _marked(marks: list[str], prefix: str) -> str | None:
    return next((each.removeprefix(prefix) for each in marks if each.startswith(prefix)), None)


def _bytes(entry: dict[str, Any]) -> int:
    """As EventBridge counts: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html."""
    texts = [entry["Source"], entry["DetailType"], entry["Detail"], *entry["Resources"]]
    return 14 + sum(len(text.encode()) for text in texts)


class AwsReplays:
    """EventReplays as the API asks them: a machine for each shows its events, page by page. It is started before the
    row is written, so that no replay lies there that nobody works on."""

    def __init__(self, rows: EventReplays, machine: Repeating) -> None:
        self._rows = rows
        self._machine = machine

    async def create(self, replay: Replay) -> Replay:
        """Keeps the replay, and has it done; the one of this name that says the same goes on, should its machine have
        given up.

        Raises:
            Conflict: as the rows say.
            StoreUnavailable: nothing was begun, or it is not known; the same may be asked for again.
        """
        await self._machine.start(replay.id, replay.project_id)
        kept = await self._rows.create(replay)
        if kept.id != replay.id and kept.status is ReplayStatus.RUNNING:
            await self._machine.start(kept.id, kept.project_id, by=replay.id[-12:])
        return kept

    def __getattr__(self, name: str) -> Any:
        """What is only read, and a cancel, which the next page heeds."""
        return getattr(self._rows, name)

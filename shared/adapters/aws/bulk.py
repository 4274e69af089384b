"""Bulk runs on AWS: their rows are in the database, and a machine does what there is to do; see functions/bulk/core.py.

Each cancel and each retry has a machine of its own, so that nobody waits for one that rests. They keep out of each
other's way by the claim in the row.
"""

from datetime import datetime
from typing import Any

from shared.adapters.aws.repeating import Repeating
from shared.bulk.records import BulkRun
from shared.errors import StoreUnavailable
from shared.ids import new_id
from shared.ports import BulkRows


class AwsBulkRuns:
    """BulkRuns as the API asks them."""

    def __init__(self, rows: BulkRows, machine: Repeating) -> None:
        self._rows = rows
        self._machine = machine

    async def create(self, bulk: BulkRun) -> BulkRun:
        """Keeps a new one, and has it fed: by a machine that is started first, so that no bulk run lies there that
        nobody feeds. The earlier one of the idempotency key is fed on, should its machine have given up.

        Raises:
            IdempotencyMismatch: as the rows say.
            StoreUnavailable: nothing was begun, or it is not known; with its key the same may be asked for again.
        """
        await self._machine.start(bulk.id, bulk.project_id)
        kept = await self._rows.create(bulk)
        if kept.id != bulk.id and not kept.closed:
            await self._once_more(kept)
        return kept

    async def request_cancel(self, bulk: BulkRun, at: datetime) -> None:
        """Nothing more of it starts, and what runs is stopped. Raises StoreUnavailable: asking again is safe."""
        await self._rows.request_cancel(bulk, at)
        await self._once_more(bulk)

    async def redrive_failed(self, bulk: BulkRun, at: datetime) -> int:
        """Lets those that failed or timed out go on, one after another; how many will. Raises StoreUnavailable: asking
        again is safe."""
        count = await self._rows.redrivable_count(bulk, at)
        if count:
            await self._rows.reopen(bulk.id)
            try:
                await self._once_more(bulk, retry=True)
            except StoreUnavailable:
                if bulk.closed:
                    await self._rows.close(bulk.id)
                raise
        return count

    async def _once_more(self, bulk: BulkRun, **more: Any) -> None:
        await self._machine.start(bulk.id, bulk.project_id, by=new_id()[-12:], **more)

    def __getattr__(self, name: str) -> Any:
        """What is only read is read from the rows."""
        return getattr(self._rows, name)

"""Feeds bulk runs in the local stage. Several processes may: each run is fed by one of them."""

import asyncio
import logging

from shared.bulk.feeding import Feeding, feed
from shared.bulk.records import BulkRun
from shared.errors import StoreUnavailable

MAX_AT_ONCE = 4
"""Bulk runs that one process feeds: it holds their inputs in memory."""

_LOOK_SECONDS = 0.5

log = logging.getLogger(__name__)


async def feed_bulk_runs(deps: Feeding) -> None:
    """Looks for bulk runs that nobody feeds, and feeds them; until cancelled."""
    fed: set[asyncio.Task[None]] = set()
    try:
        while True:
            try:
                while len(fed) < MAX_AT_ONCE and (bulk := await deps.runs.claim(deps.worker)):
                    task = asyncio.create_task(_feed(deps, bulk), name=f"bulk run {bulk.id}")
                    fed.add(task)
                    task.add_done_callback(fed.discard)
            except StoreUnavailable as error:
                log.warning("bulk runs cannot be read; trying again", extra={"reason": error.message})
            await asyncio.sleep(_LOOK_SECONDS)
    finally:
        for task in fed:
            task.cancel()
        await asyncio.gather(*fed, return_exceptions=True)


async def _feed(deps: Feeding, bulk: BulkRun) -> None:
    """One that is interrupted is taken up again: at once where this process stops, else when its claim runs out."""
    try:
        await feed(deps, bulk)
    except StoreUnavailable as error:
        log.warning("bulk run interrupted by the store", extra={"bulk_id": bulk.id, "reason": error.message})
    except asyncio.CancelledError:
        await deps.runs.give_back(bulk.id, deps.worker)
        raise
    except Exception:
        log.exception("bulk run failed inside the platform", extra={"bulk_id": bulk.id})

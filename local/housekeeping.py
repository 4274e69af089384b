"""The stage's own housekeeping; several processes may."""

import asyncio
import logging

from functions.housekeeping.core import Deps, Work, do
from shared.errors import StoreUnavailable

_EVERY_SECONDS = 60
"""An approval that was decided and not told keeps its execution waiting."""
_REMOVE_EVERY = 6 * 60
"""Every sixth hour."""

log = logging.getLogger(__name__)


async def keep_house(deps: Deps) -> None:
    """Removes what is old enough now and every six hours, and looks after decisions every minute, until cancelled."""
    rounds = 0
    while True:
        work = Work.DECISIONS if rounds % _REMOVE_EVERY else Work.DAILY
        try:
            await do(work, deps)
        except StoreUnavailable as error:
            log.warning("housekeeping failed; trying again", extra={"work": work.value, "reason": error.message})
        else:
            rounds += 1
        await asyncio.sleep(_EVERY_SECONDS)

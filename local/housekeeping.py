"""What the stage removes because it is old enough."""

import asyncio
import contextlib
import logging
from datetime import timedelta

from shared.clock import Clock
from shared.errors import StoreUnavailable
from shared.ports.audit import AuditLog

_EVERY_SECONDS = 6 * 3600

log = logging.getLogger(__name__)


async def prune_audit_log(audit: AuditLog, clock: Clock, retention_days: int) -> None:
    """Removes entries older than `retention_days`, now and every six hours; several processes may."""
    while True:
        with contextlib.suppress(StoreUnavailable):
            pruned = await audit.prune(clock.now() - timedelta(days=retention_days))
            if pruned:
                log.info("old entries of the audit log were removed", extra={"entries": pruned})
        await asyncio.sleep(_EVERY_SECONDS)

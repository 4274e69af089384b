"""What nobody asks for and somebody has to do.

Terms:
  daily      what is old enough is removed: entries of the audit log, events. What executions asked that have ended
             expires
  decisions  executions are told of decisions on approvals, between whose keeping and telling a process ended
  ends       executions are looked at whose end may not have been told: ends.py, on AWS only

Everything here may be done at any time, by several processes at once, and again.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.approvals.telling import tell_all
from shared.clock import Clock
from shared.ports import ApprovalStore, SecretBox, TaskCompletions
from shared.ports.audit import AuditLog
from shared.ports.events import EventArchive

EVENTS_KEPT = timedelta(days=30)
"""How long events can be listed and replayed."""

log = logging.getLogger(__name__)


class Work(StrEnum):
    """What there is to do; see the module."""

    DAILY = "daily"
    DECISIONS = "decisions"
    ENDS = "ends"


@dataclass(frozen=True, slots=True)
class Deps:
    audit: AuditLog
    archive: EventArchive
    approvals: ApprovalStore
    completions: TaskCompletions
    secrets: SecretBox
    clock: Clock
    audit_kept: timedelta


async def do(work: Work, deps: Deps) -> None:
    """Does the daily work, which tells decisions, too, or only tells those.

    Raises:
        StoreUnavailable: a store or Step Functions does not answer; what was done stays done.
    """
    await tell_all(approvals=deps.approvals, completions=deps.completions, secrets=deps.secrets)
    if work is Work.DAILY:
        await _remove(deps)


async def _remove(deps: Deps) -> None:
    now = deps.clock.now()
    entries = await deps.audit.prune(now - deps.audit_kept)
    events = await _forget(deps.archive, now - EVENTS_KEPT)
    approvals = await deps.approvals.expire_ended()
    if entries or events or approvals:
        done = {"audit_entries": entries, "events": events, "expired_approvals": approvals}
        log.info("what was old enough was removed", extra=done)


async def _forget(archive: EventArchive, before: datetime) -> int:
    total = 0
    while removed := await archive.prune(before):
        total += removed
    return total

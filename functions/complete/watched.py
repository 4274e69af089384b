"""Executions that are looked at because nobody promises that their end is told.

Of an express one nobody can ask Step Functions: `dispatch` has it looked at when its log must have come. Of a durable
one Step Functions knows: `housekeeping` has those asked about that have run for long. See
docs/adr/0021-express-histories-come-from-logs.md and docs/adr/0023-lost-ends-are-asked-for.md.
"""

import logging
from datetime import datetime, timedelta

from functions.complete.core import CompleteDeps, Ended, end, ended, record
from shared.executions.records import ExecutionStatus, StatusChange, Watch

log = logging.getLogger(__name__)

LOST_AFTER = timedelta(minutes=25)
"""After its start. It ends after five minutes, and what waits for the database comes back within fifteen
(shared/adapters/aws/batches.py): an end that is told counts first."""
_LOG_LOST = {
    "name": "Millrace.LogLost",
    "cause": (
        "The execution is over, but the log of its EXPRESS machine, which alone tells how it ended, did not arrive "
        "within half an hour. It may have done its work. Look at what it changes before you start it again, or use "
        "`settings.mode: durable` where an end must always be known."
    ),
}
_UNKNOWN = {
    "name": "Millrace.ExecutionUnknown",
    "cause": (
        "The execution runs by its row, but Step Functions does not know it: it ended more than 90 days ago, or its "
        "state machine was deleted. It may have done its work. Look at what it changes before you start it again."
    ),
}


async def look(watch: Watch, deps: CompleteDeps) -> Ended | None:
    """Ends an execution that runs by its row, and does not in truth. None where it ended or runs.

    Raises:
        StoreUnavailable: the database, Step Functions, a queue or the bus does not answer; it may be asked again.
    """
    standing = await deps.progress.standing(watch.project_id, watch.workflow_id, watch.execution_id)
    if standing is None or standing.status is not ExecutionStatus.RUNNING or standing.started_at is None:
        return None  # it has ended; or its start comes again, and is watched then
    if standing.mode == "express":
        return await _look_at_express(watch, standing.started_at, deps)
    found = await deps.machines.find(watch.workflow_id, watch.execution_id)
    if found is not None:
        return await record(found, deps)
    log.warning("Step Functions does not know a durable execution")
    return await _fail(watch, _UNKNOWN, deps)


async def _look_at_express(watch: Watch, began: datetime, deps: CompleteDeps) -> Ended | None:
    """It should have ended long ago: its log is lost. One that began later than that is looked at again."""
    if deps.clock.now() - began < LOST_AFTER:
        await deps.watches.later(watch)
        return None
    log.warning("the log of an express execution is lost")
    return await _fail(watch, _LOG_LOST, deps)


async def _fail(watch: Watch, error: dict[str, str], deps: CompleteDeps) -> Ended | None:
    change = StatusChange(ExecutionStatus.FAILED, deps.clock.now(), error=error)
    return ended(await end(watch.execution_id, watch.project_id, change, deps))

"""From the log of EXPRESS machines to the histories of their executions, and to their ends.

Nobody can ask Step Functions about an express execution, so that its log is its history: the journal takes the events,
and the last one is the end. See docs/adr/0021-express-histories-come-from-logs.md.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from functions.complete.core import CompleteDeps, Ended, change_of, end
from shared.adapters.aws.express_logs import Run, runs_of
from shared.executions.records import Execution, ExecutionStatus, HistoryEvent, StatusChange, Watch
from shared.observability import bind

log = logging.getLogger(__name__)

_ENDS = {
    "ExecutionSucceeded": ExecutionStatus.SUCCEEDED,
    "ExecutionFailed": ExecutionStatus.FAILED,
    "ExecutionTimedOut": ExecutionStatus.TIMED_OUT,
    "ExecutionAborted": ExecutionStatus.CANCELLED,
}
LOST_AFTER = timedelta(minutes=25)
"""After its start. It ends after five minutes, and what waits for the database comes back within fifteen
(shared/adapters/aws/batches.py): an end that is told counts first."""
_LOST = {
    "name": "Millrace.LogLost",
    "cause": (
        "The execution is over, but the log of its EXPRESS machine, which alone tells how it ended, did not arrive "
        "within half an hour. It may have done its work. Look at what it changes before you start it again, or use "
        "`settings.mode: durable` where an end must always be known."
    ),
}


async def take(data: str, deps: CompleteDeps) -> list[Ended]:
    """Keeps the events of a delivery of CloudWatch Logs, and records the ends among them. Again changes nothing. Where
    one execution's fail, the others' are kept all the same.

    Raises:
        MalformedRequest: it is no delivery.
        StoreUnavailable: the database or the bus does not answer; the delivery may be given again.
    """
    work = (_take(run, events, deps) for run, events in runs_of(data).items())
    done = await asyncio.gather(*work, return_exceptions=True)
    for each in done:
        if isinstance(each, BaseException):
            raise each
    return [each for each in done if isinstance(each, Ended)]


async def look(watch: Watch, deps: CompleteDeps) -> Ended | None:
    """Ends an execution that runs although it should have ended long ago: its log is lost. One that began later than
    that is looked at again.

    Raises:
        StoreUnavailable: the database, the queue or the bus does not answer; it may be asked again.
    """
    standing = await deps.progress.standing(watch.project_id, watch.workflow_id, watch.execution_id)
    if standing is None or standing.status is not ExecutionStatus.RUNNING or standing.started_at is None:
        return None  # it has ended; or its start comes again, and is watched then
    if deps.clock.now() - standing.started_at < LOST_AFTER:
        await deps.watches.later(watch)
        return None
    log.warning("the log of an express execution is lost")
    change = StatusChange(ExecutionStatus.FAILED, deps.clock.now(), error=_LOST)
    return _ended(await end(watch.execution_id, watch.project_id, change, deps))


async def _take(run: Run, events: Sequence[HistoryEvent], deps: CompleteDeps) -> Ended | None:
    with bind(execution_id=run.execution_id):
        project_id = await deps.histories.write(run.execution_id, run.arn, events)
        if project_id is None:
            log.warning("events are not kept: another run of the execution is its history, or there is no execution")
            return None
        began = next((each.timestamp for each in events if each.type == "ExecutionStarted"), None)
        last = next((each for each in events if each.type in _ENDS), None)
        if last is not None:
            change = change_of(_ENDS[last.type], last.timestamp, last.details)
            return _ended(await end(run.execution_id, project_id, change, deps, began=began))
        if began is not None:
            change = StatusChange(ExecutionStatus.RUNNING, began)
            await deps.journal.write(run.execution_id, project_id, (), change)
    return None


def _ended(execution: Execution | None) -> Ended | None:
    if execution is None or execution.completed_at is None:
        return None
    began = execution.started_at or execution.created_at
    return Ended(execution.status, (execution.completed_at - began).total_seconds() * 1_000)

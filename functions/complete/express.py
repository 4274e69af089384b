"""From the log of EXPRESS machines to the histories of their executions, and to their ends.

Nobody can ask Step Functions about an express execution, so that its log is its history: the journal takes the events,
and the last one is the end. See docs/adr/0021-express-histories-come-from-logs.md.
"""

import asyncio
import logging
from collections.abc import Sequence

from functions.complete.core import CompleteDeps, Ended, change_of, end, ended
from shared.adapters.aws.express_logs import Run, runs_of
from shared.executions.records import ExecutionStatus, HistoryEvent, StatusChange
from shared.observability import bind

log = logging.getLogger(__name__)

_ENDS = {
    "ExecutionSucceeded": ExecutionStatus.SUCCEEDED,
    "ExecutionFailed": ExecutionStatus.FAILED,
    "ExecutionTimedOut": ExecutionStatus.TIMED_OUT,
    "ExecutionAborted": ExecutionStatus.CANCELLED,
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
            return ended(await end(run.execution_id, project_id, change, deps, began=began))
        if began is not None:
            change = StatusChange(ExecutionStatus.RUNNING, began)
            await deps.journal.write(run.execution_id, project_id, (), change)
    return None

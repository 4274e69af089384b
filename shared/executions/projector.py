"""From an execution's history to what people look at: node runs, and each change as it happens.

Terms:
  visit      one passage through a state: from its `…StateEntered` event to its `…StateExited`
  iteration  one passage through the body of a Map state
  run        one node at work in one iteration; retries happen inside one run
  fused      of a node: it has no state of its own; the events of another state tell of it, see `fused`

An event belongs to the visit of the event that it names as its predecessor (`previous_id`), which is how the concurrent
branches of Parallel and Map states are told apart. Payloads stay JSON text until somebody asks for them.

The history has Step Functions' own shape, so one projector serves every stage.
Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from itertools import takewhile
from typing import Any

import orjson

from shared.executions.fused import FusedState, assigned, member
from shared.executions.node_runs import Change, ExecutionChange, NodeChange, NodeRun, NodeStatus, parsed, value_of
from shared.executions.records import Execution, ExecutionStatus, HistoryEvent
from shared.executions.visits import Visit

_TERMINAL = {
    "ExecutionSucceeded": ExecutionStatus.SUCCEEDED,
    "ExecutionFailed": ExecutionStatus.FAILED,
    "ExecutionTimedOut": ExecutionStatus.TIMED_OUT,
    "ExecutionAborted": ExecutionStatus.CANCELLED,
}


_Handler = Callable[[HistoryEvent, Visit, list[Change]], Visit]
"""Takes an event in the visit of its predecessor; returns the visit that its successors are in."""


class Projector:
    """Takes an execution's events in order, any number at a time.

    `source_map` says which node each state stands for; see statemachines.compiler.
    """

    def __init__(self, source_map: Mapping[str, Any]) -> None:
        self._states: Mapping[str, Any] = source_map.get("states", {})
        self._nodes: Mapping[str, Any] = source_map.get("nodes", {})
        self._root = Visit()
        self._visit_of: dict[int, Visit] = {0: self._root}
        self._runs: list[NodeRun] = []
        self._newest: dict[tuple[int, str], NodeRun] = {}
        self._was_redriven = False
        self.status: ExecutionStatus | None = None
        """What the history says so far; None before its first event."""
        self._handlers: dict[str, _Handler] = {
            "ExecutionStarted": self._started,
            "ExecutionRedriven": self._redriven,
            "TaskScheduled": self._scheduled,
            "TaskSucceeded": self._succeeded,
            "EvaluationFailed": self._evaluation_failed,
            "ParallelStateStarted": self._container_started,
            "MapStateStarted": self._container_started,
            "ParallelStateSucceeded": self._container_succeeded,
            "MapStateSucceeded": self._container_succeeded,
            "ParallelStateFailed": self._container_failed,
            "MapStateFailed": self._container_failed,
            "MapIterationStarted": self._iteration_started,
            "MapIterationSucceeded": self._iteration_ended,
            "MapIterationFailed": self._iteration_ended,
            **dict.fromkeys(_TERMINAL, self._finished),
        }

    def feed(self, event: HistoryEvent) -> list[Change]:
        """What `event` changes, in order. The runs in the changes are copies, as they were at that moment."""
        changes: list[Change] = []
        handler = self._handler(event)
        visit = self._visit_of.get(event.previous_id, self._root)
        if self._was_redriven and event.type not in _TERMINAL:
            self._reopen(visit, event, changes)
        self._visit_of[event.id] = handler(event, visit, changes) if handler is not None else visit
        return changes

    def runs(self) -> list[NodeRun]:
        """All runs in the order in which they began, then the nodes that were not reached."""
        missing = NodeStatus.SKIPPED if self.status is not None and self.status.terminal else NodeStatus.PENDING
        return [*self._runs, *(self._new_run(node, status=missing) for node in self._unreached())]

    def _handler(self, event: HistoryEvent) -> _Handler | None:
        if event.type.endswith("StateEntered"):
            return self._entered
        if event.type.endswith("StateExited"):
            return self._exited
        return self._handlers.get(event.type, self._attempt_failed if "error" in event.details else None)

    def _started(self, event: HistoryEvent, visit: Visit, changes: list[Change]) -> Visit:
        self.status = ExecutionStatus.RUNNING
        changes.append(ExecutionChange(event.id, event.timestamp, self.status))
        return visit

    def _redriven(self, event: HistoryEvent, _: Visit, changes: list[Change]) -> Visit:
        """What follows belongs to visits that the execution's end has closed."""
        self._was_redriven = True
        self.status = ExecutionStatus.RUNNING
        changes.append(ExecutionChange(event.id, event.timestamp, self.status))
        return self._root

    def _reopen(self, visit: Visit, event: HistoryEvent, changes: list[Change]) -> None:
        for each in visit.reopen():
            run, each.failed, each.error = each.run, False, None
            if run is not None and run.status in (NodeStatus.FAILED, NodeStatus.CANCELLED):
                run.status, run.completed_at, run.error = NodeStatus.RUNNING, None, None
                changes.append(_change(event, run))

    def _entered(self, event: HistoryEvent, visit: Visit, changes: list[Change]) -> Visit:
        state = str(event.details["name"])
        entered = visit.enter(state)
        meaning = self._states.get(state, {})
        node = meaning.get("node")
        if node is None:
            return entered
        entered.run = run = self._run_of(node, entered, event, again=meaning.get("role") == "main")
        if run.input_text is None:
            run.input_text = event.details.get("input")
        if event.type != "TaskStateEntered" and run.attempts == 0:  # its other states tell nothing new
            run.attempts = 1
            changes.append(_change(event, run))
        return entered

    def _exited(self, event: HistoryEvent, visit: Visit, changes: list[Change]) -> Visit:
        state = str(event.details["name"])
        exited = visit.nearest(lambda each: each.state == state)
        if exited.run is not None:
            exited.run.error = exited.run.error or exited.error_inside()
        self._abandon(exited, event, changes)
        meaning = self._states.get(state, {})
        variables: Mapping[str, str] = event.details.get("assignedVariables") or {}
        if exited.failed and exited.run is not None and exited.run.error is None:
            exited.run.error = _error_given(event, variables.get(self._variable(exited.run.node)))
        if exited.run is not None:
            self._leave(exited.run, meaning.get("role") == "main", variables, event, changes)
        self._complete_fused(FusedState(meaning), exited, variables, event, changes)
        return exited.close()

    def _complete_fused(
        self, fused: FusedState, visit: Visit, variables: Mapping[str, str], event: HistoryEvent, changes: list[Change]
    ) -> None:
        shown = fused.shown("output", event.details)
        for node in fused.nodes:
            ran, output = assigned(variables, self._variable(node))
            if node in shown or ran:  # else another way out of the state was taken, or its failure was caught
                self._ran(node, shown.get(node, output), visit, event, changes)

    def _ran(self, node: str, output: str | None, visit: Visit, event: HistoryEvent, changes: list[Change]) -> None:
        """A fused node ran, in this visit of a state."""
        if node in visit.told:
            return
        visit.told.add(node)
        run = self._run_of(node, visit, event, again=True)
        run.attempts = 1
        self._complete(run, output, event, changes)

    def _leave(
        self, run: NodeRun, main: bool, variables: Mapping[str, str], event: HistoryEvent, changes: list[Change]
    ) -> None:
        """Its main state ends a run, and so does any state that assigns the node's variable."""
        ran, output = assigned(variables, self._variable(run.node))
        output = output if ran else event.details.get("output") if main else None
        if run.status.finished:
            run.output_text = output if output is not None else run.output_text
        elif output is not None or main:
            self._complete(run, output, event, changes)

    def _scheduled(self, event: HistoryEvent, visit: Visit, changes: list[Change]) -> Visit:
        if visit.run is not None and not visit.run.status.finished:
            if visit.scheduled or visit.run.attempts == 0:  # a further turn of the same attempt is no attempt
                visit.run.attempts += 1
            visit.scheduled = True
            visit.run.error = None
            visit.run.call_text = visit.run.call_text or event.details.get("parameters")
            changes.append(_change(event, visit.run))
        fused = FusedState(self._states.get(str(visit.state), {}))
        for node, output in fused.shown("parameters", event.details).items():
            self._ran(node, output, visit, event, changes)
        return visit

    def _succeeded(self, event: HistoryEvent, visit: Visit, _: list[Change]) -> Visit:
        if visit.run is not None:
            if visit.run.result_text is not None:
                visit.run.earlier_results += (visit.run.result_text,)
            visit.run.result_text = event.details.get("output")
        return visit

    def _attempt_failed(self, event: HistoryEvent, visit: Visit, changes: list[Change]) -> Visit:
        """The attempt failed; whether the node did, shows when its state is retried, exits or ends the execution."""
        if visit.run is not None and not visit.run.status.finished:
            visit.run.error = _error(event)
            changes.append(_change(event, visit.run))
        return visit

    def _evaluation_failed(self, event: HistoryEvent, visit: Visit, changes: list[Change]) -> Visit:
        """A field of a state, and with it the state, failed; the field says which of the state's nodes that is."""
        state = str(event.details.get("state", visit.state))
        failed = visit.nearest(lambda each: each.state == state)
        meaning = self._states.get(state, {})
        fused = FusedState(meaning)
        field = fused.field_of(str(event.details.get("location", "")))
        culprits = fused.fields[field] if field is not None else []
        for node in takewhile(lambda each: each not in culprits, fused.leading):
            self._ran(node, None, failed, event, changes)
        if field is None:
            return self._attempt_failed(event, failed, changes)
        if failed.run is not None and failed.run.node not in culprits and meaning.get("role") == "main":
            self._settle(failed.run, reached=not set(culprits) & set(fused.leading), event=event, changes=changes)
        for node in fused.before(field):
            if node not in culprits:
                self._ran(node, None, failed, event, changes)
        self._blame(culprits, failed, event, changes)
        return failed

    def _unmatched(self, visit: Visit, event: HistoryEvent, changes: list[Change]) -> None:
        """A Choice that nothing matches fails without an event of its own; the nodes in front of it did run."""
        run = visit.run
        if run is not None and run.type == "condition" and run.error is None and not run.status.finished:
            for node in FusedState(self._states.get(str(visit.state), {})).leading:
                self._ran(node, None, visit, event, changes)

    def _settle(self, run: NodeRun, *, reached: bool, event: HistoryEvent, changes: list[Change]) -> None:
        """The state's own node did its work before a fused one failed, or (not `reached`) did not come to it."""
        if run.status.finished:
            return
        if reached:
            self._complete(run, member(run.result_text, ["Payload", "output"]), event, changes)
        else:
            run.attempts, run.started_at = 0, None
            self._end(run, NodeStatus.SKIPPED, event, changes)

    def _blame(self, nodes: Sequence[str], visit: Visit, event: HistoryEvent, changes: list[Change]) -> None:
        """These nodes' failure is the visit's. Where they share one expression, the error names them all."""
        shared = {"nodes": list(nodes)} if len(nodes) > 1 else {}
        visit.run = None
        for node in nodes:
            if visit.run is not None:
                self._end(visit.run, NodeStatus.FAILED, event, changes)
            visit.run = run = self._run_of(node, visit, event, again=True)
            run.attempts = max(run.attempts, 1)
            run.error = {**_error(event), **shared}
            changes.append(_change(event, run))

    def _container_started(self, event: HistoryEvent, visit: Visit, changes: list[Change]) -> Visit:
        """A Parallel or Map state begins, or begins anew after it failed."""
        visit.at_work = True
        if visit.failed:
            visit.failed, visit.error = False, None
            if visit.run is not None:
                visit.run.attempts += 1
                visit.run.error = None
                changes.append(_change(event, visit.run))
        return visit

    def _container_succeeded(self, _event: HistoryEvent, visit: Visit, _: list[Change]) -> Visit:
        """If the state fails now, by an expression of its own, it is that of the states around it that says so."""
        succeeded = visit.nearest(lambda each: each.at_work and not each.failed)
        succeeded.at_work = False
        return succeeded

    def _container_failed(self, event: HistoryEvent, visit: Visit, changes: list[Change]) -> Visit:
        """A Parallel or Map state failed because of something inside; its event does not say what."""
        self._unmatched(visit, event, changes)
        failed = visit.nearest(lambda each: each.at_work and not each.failed)
        failed.failed = True
        failed.error = _error(event) if "error" in event.details else failed.error or failed.error_inside()
        if failed.run is not None and not failed.run.status.finished:
            failed.run.error = failed.error or failed.run.error
        self._abandon(failed, event, changes)
        return failed

    def _iteration_started(self, event: HistoryEvent, visit: Visit, _: list[Change]) -> Visit:
        """It is inside the Map, though it follows the last event of the iteration whose place it takes."""
        index = int(event.details.get("index", 0))
        return visit.nearest(lambda each: each.state == event.details.get("name")).begin_iteration(index, event.id)

    def _iteration_ended(self, event: HistoryEvent, visit: Visit, changes: list[Change]) -> Visit:
        ended = visit.nearest(lambda each: each.state is None)
        if event.type == "MapIterationFailed" and ended.parent is not None:
            self._unmatched(visit, event, changes)
            ended.parent.error = ended.parent.error or ended.error_inside()
        self._abandon(ended, event, changes)
        return ended.close()

    def _finished(self, event: HistoryEvent, visit: Visit, changes: list[Change]) -> Visit:
        self.status = status = _TERMINAL[event.type]
        error = _error(event) if status != ExecutionStatus.SUCCEEDED else None
        if status == ExecutionStatus.FAILED:
            self._unmatched(visit, event, changes)
            for each in visit.upwards():
                if each.run is not None and not each.run.status.finished:
                    each.run.error = each.run.error or error
        self._abandon(self._root, event, changes)
        changes += [_change(event, self._new_run(node, status=NodeStatus.SKIPPED)) for node in self._unreached()]
        changes.append(ExecutionChange(event.id, event.timestamp, status, event.details.get("output"), error))
        return self._root

    def _abandon(self, visit: Visit, event: HistoryEvent, changes: list[Change], keep: NodeRun | None = None) -> None:
        """What is still open inside will not go on: it failed where an error is known, else it was cancelled. The
        visit's own run, which states inside may be part of, goes on."""
        keep = keep or visit.run_around()
        for each in list(visit.inside):
            self._abandon(each, event, changes, keep)
            each.close()
            if each.run is not None and each.run is not keep and not each.run.status.finished:
                self._end(each.run, NodeStatus.FAILED if each.run.error else NodeStatus.CANCELLED, event, changes)

    def _complete(self, run: NodeRun, output: str | None, event: HistoryEvent, changes: list[Change]) -> None:
        """A state that ends with an error still in force has caught it (`on_error: continue`)."""
        run.output_text = output
        self._end(run, NodeStatus.FAILED if run.error else NodeStatus.SUCCEEDED, event, changes)

    def _end(self, run: NodeRun, status: NodeStatus, event: HistoryEvent, changes: list[Change]) -> None:
        run.status, run.completed_at = status, event.timestamp
        changes.append(_change(event, run))

    def _run_of(self, node: str, visit: Visit, event: HistoryEvent, *, again: bool) -> NodeRun:
        """The node's run in this iteration. A run that ended is followed by another where the node begins `again`."""
        newest = self._newest.get((visit.scope, node))
        if newest is not None and not (again and newest.status.finished):
            return newest
        run = self._new_run(node, iteration=visit.iteration)
        run.started_at = event.timestamp
        if self._nodes.get(node, {}).get("rounds"):
            run.iteration = 0 if newest is None or newest.iteration is None else newest.iteration + 1
        self._newest[visit.scope, node] = run
        self._runs.append(run)
        return run

    def _variable(self, node: str) -> str:
        """The ASL variable that holds the node's output."""
        return str(self._nodes.get(node, {}).get("variable", node))

    def _new_run(self, node: str, *, iteration: int | None = None, status: NodeStatus = NodeStatus.RUNNING) -> NodeRun:
        about = self._nodes.get(node, {})
        return NodeRun(node, about.get("name"), about.get("type", "unknown"), iteration, status)

    def _unreached(self) -> Iterator[str]:
        reached = {run.node for run in self._runs}
        return (node for node in self._nodes if node not in reached)


def end_of(execution: Execution, last_id: int) -> HistoryEvent | None:
    """The last event of an execution that ended without writing one; None while it is unfinished.

    That is one that was cancelled while it was queued, or that the platform could not go on with.
    """
    if not execution.status.terminal:
        return None
    kind = next(name for name, status in _TERMINAL.items() if status == execution.status)
    output = {"output": orjson.dumps(execution.result).decode()} if execution.result is not None else {}
    error = execution.error or {}
    details = {**output, "error": error.get("name"), "cause": error.get("cause")}
    return HistoryEvent(last_id + 1, 0, kind, execution.completed_at or execution.created_at, details)


def whole(execution: Execution, history: Sequence[HistoryEvent]) -> Sequence[HistoryEvent]:
    """The history, with the last event where the execution ended without one. Read `execution` before `history`."""
    if history and history[-1].type in _TERMINAL:
        return history
    end = end_of(execution, history[-1].id if history else 0)
    return [*history, end] if end is not None else history


def project(source_map: Mapping[str, Any], history: Iterable[HistoryEvent]) -> list[NodeRun]:
    """The node runs of a history, from its beginning as far as it goes."""
    projector = Projector(source_map)
    for event in history:
        projector.feed(event)
    return projector.runs()


def _change(event: HistoryEvent, run: NodeRun) -> NodeChange:
    return NodeChange(event.id, event.timestamp, copy(run))


def _error(event: HistoryEvent) -> dict[str, Any]:
    return {"name": event.details.get("error") or event.type, "cause": event.details.get("cause") or ""}


def _error_given(event: HistoryEvent, assigned: str | None) -> dict[str, Any]:
    """The error of a state that caught one which no event tells of, such as that of a Fail state: the node's output has
    it."""
    error = value_of(parsed(assigned or event.details.get("output")), "error")
    return error if isinstance(error, dict) else {"name": event.type.replace("Exited", "Failed"), "cause": ""}

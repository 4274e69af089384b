"""Takes an execution up again from its history alone; see fold for how that is read."""

from collections.abc import Sequence
from datetime import datetime

from shared.errors import Conflict
from shared.executions.records import ExecutionStatus, HistoryEvent
from statemachines.interpreter import containers, runs
from statemachines.interpreter.effects import Await, LoadRun, RunTask, Sleep, Stop
from statemachines.interpreter.engine import Engine
from statemachines.interpreter.failure import Failure
from statemachines.interpreter.fold import Fold
from statemachines.interpreter.frame import Frame, Phase, state_of, walk
from statemachines.interpreter.payloads import Payload, text_of
from statemachines.interpreter.redrive import MAX_REDRIVABLE_EVENTS, reopen

_LOADING = (Phase.CHILDREN, Phase.JOIN, Phase.JOINED)
_UNREAD = Payload(None, "null")


def resume(engine: Engine, history: Sequence[HistoryEvent], now: datetime, *, redrive: bool = False) -> None:
    """Brings the engine to where the history ends, and goes on from there at the time `now`.

    With `redrive` an execution that ended without success goes on from what was unsuccessful.

    Raises:
        Conflict: the history is too long for a redrive.
    """
    fold = Fold(engine, engine.root)
    for event in history:
        fold.apply(event)
    engine.effects.clear()
    engine.now = now
    engine.outcome = fold.outcome
    if redrive and fold.outcome is not None and fold.outcome.status != ExecutionStatus.SUCCEEDED:
        if len(history) > MAX_REDRIVABLE_EVENTS:
            raise Conflict(
                f"The execution's history has {len(history)} events; one with more than {MAX_REDRIVABLE_EVENTS} "
                "cannot be redriven. Start a new execution with the same input."
            )
        engine.outcome = None
        fold.given_up = []
        _redrive(engine.root, now)
    if engine.outcome is None and len(history) == 1:
        engine.enter_first()
    elif engine.outcome is None:
        engine.effects.extend(Stop(frame) for frame in fold.given_up)
        _go_on(engine, engine.root)


def item_loaded(engine: Engine, frame: Frame, index: int, history: Sequence[HistoryEvent]) -> None:
    """The history of an item was read that may have begun before: it goes on, begins, or has ended already."""
    now = engine.now
    frame.open -= 1
    if not history:
        runs.begin_item(engine, frame, index)
    else:
        child = runs.add_item(engine, frame, index, _UNREAD)
        child.execution.newest = history[-1].id
        fold = Fold(engine, child)
        for event in history:
            fold.apply(event)
        engine.now = now
        _take_item(engine, child, fold, history[-1].timestamp)
    engine.run()


def _take_item(engine: Engine, child: Frame, fold: Fold, newest: datetime) -> None:
    owner = child.owner
    assert owner is not None  # noqa: S101 - for the type checker: an item has an owner
    run, outcome = runs.run_of(owner), fold.outcome
    redriven = child.execution.redrives >= run.redrives
    before = run.redriven_at is not None and newest <= run.redriven_at and not redriven
    if outcome is None:
        engine.effects.extend(Stop(frame) for frame in fold.given_up)
        _go_on(engine, child)
    elif outcome.status == ExecutionStatus.SUCCEEDED:
        run.succeed(child.index, text_of(outcome.result), engine.now)
        runs.item_ended(engine, child)
    elif outcome.status == ExecutionStatus.FAILED and not before:
        error = outcome.error or {}
        run.fail(child.index, Failure(error.get("name", ""), error.get("cause")), engine.now)
        runs.item_ended(engine, child)
    else:  # redriven, or aborted by a failure of the run that was lost in a crash
        _redrive(child, engine.now)
        _go_on(engine, child)


def _redrive(root: Frame, now: datetime) -> None:
    """Tells of the redrive in the execution's history, and reopens what was unsuccessful."""
    execution = root.execution
    execution.redriven(now)
    execution.record("ExecutionRedriven", execution.newest, {"redriveCount": execution.redrives}, now)
    reopen(root, now)


def _go_on(engine: Engine, root: Frame) -> None:
    """Asks again for what was under way, and lets the rest run."""
    for frame in list(walk(root)):
        if frame.run is not None and frame.run.unannounced:
            frame.run.unannounced = False
            about = {"mapRunArn": frame.run.arn, "redriveCount": frame.run.redrives}
            engine.record(frame, "MapRunRedriven", about)
        if frame.phase == Phase.RUNNING:
            if frame.token is None:  # the call is made anew, and has its time to itself
                frame.started_at = engine.now
            engine.effects.append(RunTask(frame))
        elif frame.phase == Phase.SUBMITTED:
            engine.effects.append(Await(frame))
        elif frame.phase == Phase.BACKOFF:
            engine.effects.append(Sleep(frame))
        elif frame.run is not None and not frame.run.loaded and frame.phase in _LOADING:
            engine.effects.append(LoadRun(frame))
        elif frame.phase == Phase.CHILDREN:
            _refill(engine, frame)
        elif frame.owner is not None and frame.owner.aborts_written:
            engine.ready.appendleft(frame)  # its failure is half written, and must be the next thing that happens
        else:
            engine.ready.append(frame)
    engine.run()


def _refill(engine: Engine, frame: Frame) -> None:
    """Starts the iterations that the Map has room for."""
    limit = containers.concurrency_of(engine, frame) if state_of(frame).type == "Map" else 0
    while frame.phase == Phase.CHILDREN and frame.open < limit and frame.begun < frame.length:
        ended = [child.last for child in frame.children if child.phase == Phase.CLOSED]
        containers.begin_iteration(engine, frame, max(ended, default=frame.last))

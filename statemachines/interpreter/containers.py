"""Parallel and inline Map: states that contain machines.

Their order of events is that of Step Functions: all iterations that may run are started before the first of them enters
a state; a further one follows the last state of the iteration whose place it takes; when one fails, the states that the
others are in are aborted. Both …StateSucceeded and …StateExited follow the last event of the child that ended last.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-map.html
"""

from collections.abc import Iterator
from typing import Any

from statemachines.asl.limits import MAX_DISTRIBUTED_MAP_CONCURRENCY, MAX_INLINE_MAP_CONCURRENCY
from statemachines.interpreter.core import Core
from statemachines.interpreter.effects import Stop
from statemachines.interpreter.failure import Failure
from statemachines.interpreter.frame import Frame, Phase, input_of, owner_of, state_of, walk
from statemachines.interpreter.payloads import MAX_PAYLOAD_BYTES, Payload, payload, too_large

_ABORTABLE = frozenset({"Task", "Wait", "Parallel", "Map"})
MAX_CONCURRENCY = 1_000_000
_SLEEPING = (Phase.RUNNING, Phase.SUBMITTED, Phase.WAITING, Phase.BACKOFF)


def begin_parallel(core: Core, frame: Frame) -> None:
    """Starts every branch."""
    state = state_of(frame)
    shared = branch_input(core, frame)
    core.record(frame, "ParallelStateStarted", {})
    frame.phase = Phase.CHILDREN
    for index, machine in enumerate(state.branches):
        core.ready.append(frame.child(machine, index, shared, frame.last))


def branch_input(core: Core, frame: Frame) -> Payload:
    """What every branch of a Parallel is given."""
    state = state_of(frame)
    if state.arguments is None:
        return input_of(frame)
    return payload(state.arguments(core.variables(frame)), state.name)


def begin_map(core: Core, frame: Frame) -> None:
    """Starts as many iterations as may run side by side; of a distributed Map none yet."""
    items = core.items(frame)
    limit = concurrency_of(core, frame)
    core.record(frame, "MapStateStarted", {"length": len(items)})
    frame.length = len(items)
    if state_of(frame).distribution is not None:
        frame.phase = Phase.MAPPED
        return
    frame.phase = Phase.CHILDREN if items else Phase.JOIN
    started = frame.last
    while frame.phase == Phase.CHILDREN and frame.begun < min(limit, len(items)):
        begin_iteration(core, frame, started)


def concurrency_of(core: Core, frame: Frame) -> int:
    """How many iterations or items may run side by side."""
    if not frame.concurrency:
        state = state_of(frame)
        amount, most = state.max_concurrency, MAX_INLINE_MAP_CONCURRENCY
        if state.distribution is not None:
            most = MAX_DISTRIBUTED_MAP_CONCURRENCY
        value = amount.whole("MaxConcurrency", core.variables(frame), 0, MAX_CONCURRENCY) if amount else 0
        frame.concurrency = min(value or most, most)
    return frame.concurrency


def begin_iteration(core: Core, frame: Frame, last: int) -> None:
    """Starts the Map's next iteration; `last` is the event that it follows."""
    state, index = state_of(frame), frame.begun
    try:
        item = _item_payload(core, frame, index)
    except Failure as failure:  # the Map's own, not that of the iteration that has just made room
        _fail(core, frame, failure)
        return
    frame.begun += 1
    started = frame.execution.record("MapIterationStarted", last, {"name": state.name, "index": index}, core.now)
    core.ready.append(frame.child(state.branches[0], index, item, started))


def _item_payload(core: Core, frame: Frame, index: int) -> Payload:
    return payload(core.item_input(frame, index), state_of(frame).name)


def take_input(core: Core, child: Frame) -> bool:
    """Works out the input of a child that was started before a restart; False where that failed its owner."""
    owner = owner_of(child)
    try:
        if state_of(owner).type == "Map":
            child.input = _item_payload(core, owner, child.index)
        else:
            child.input = branch_input(core, owner)
    except Failure as failure:
        _fail(core, owner, failure)
        return False
    return True


def _fail(core: Core, owner: Frame, failure: Failure) -> None:
    """An input for a child could not be evaluated."""
    give_up(core, owner)
    core.fail(owner, failure)
    core.ready.append(owner)


def child_done(core: Core, child: Frame) -> None:
    """A branch or an iteration has come to its end."""
    owner = owner_of(child)
    core.close(child)
    owner.open -= 1
    owner.last = child.last
    state = state_of(owner)
    if state.type == "Map":
        details = {"name": state.name, "index": child.index}
        owner.last = owner.execution.record("MapIterationSucceeded", child.last, details, core.now)
        if owner.begun < owner.length:
            begin_iteration(core, owner, child.last)
            return
    if owner.open == 0:
        owner.phase = Phase.JOIN
        core.ready.append(owner)


def join(core: Core, frame: Frame) -> None:
    """Every child is done."""
    frame.execution.record(f"{state_of(frame).type}StateSucceeded", frame.last, {}, core.now)
    frame.phase = Phase.JOINED


def leave(core: Core, frame: Frame) -> None:
    """The result is the list of what the children gave, in their order."""
    state = state_of(frame)
    result = frame.run.result(state.name) if frame.run is not None else _result(frame)
    if state.output is None and len(result.text.encode()) > MAX_PAYLOAD_BYTES:
        raise too_large(state.name)
    core.exit(frame, state.next, result, state.output, state.assign, result=result.value)


def _result(frame: Frame) -> Payload:
    outputs = [input_of(child) for child in sorted(frame.children, key=lambda child: child.index)]
    return Payload([each.value for each in outputs], f"[{','.join(each.text for each in outputs)}]")


def child_failed(core: Core, child: Frame, failure: Failure) -> None:
    """One failure fails the whole state; what the other children do is aborted."""
    owner = owner_of(child)
    events = list(_aborts(owner, child))[owner.aborts_written :]
    for kind, details in events:
        owner.execution.record(kind, child.last, details, core.now)
    state_failed(core, owner, child.last, failure)


def state_failed(core: Core, owner: Frame, last: int, failure: Failure) -> None:
    """The Parallel or Map fails; `last` is the event that says so by what is inside.

    The event has no details in Step Functions. Where no other event says what failed, it does here: the payload limit
    and States.Runtime leave none, and after a restart the error would not be known.
    """
    details = failure.details() if failure.untold else {}
    failure.untold = False
    owner.last = owner.execution.record(f"{state_of(owner).type}StateFailed", last, details, core.now)
    give_up(core, owner)
    core.failed(owner, failure)
    core.ready.append(owner)


def give_up(core: Core, owner: Frame) -> None:
    """Closes every frame below."""
    for child in owner.children:
        for frame in walk(child):
            if frame.is_item and frame.phase != Phase.CLOSED:
                frame.execution.record("ExecutionAborted", 0, {}, core.now)
            if frame.phase in _SLEEPING:
                core.effects.append(Stop(frame))
            core.close(frame)
    owner.children = []
    owner.open = 0


def _aborts(owner: Frame, failing: Frame) -> Iterator[tuple[str, dict[str, Any]]]:
    """(type, details) of the events that tell of the end of a failing state's children."""
    others = [child for child in owner.children if child is not failing and child.phase != Phase.CLOSED]
    state = state_of(owner)
    for child in (failing, *others):
        if state.type == "Map":
            kind = "MapIterationFailed" if child is failing else "MapIterationAborted"
            yield kind, {"name": state.name, "index": child.index}
        yield from _aborted(child)


def _aborted(frame: Frame) -> Iterator[tuple[str, dict[str, Any]]]:
    state = frame.state
    if state is None or state.type not in _ABORTABLE:
        return
    if frame.phase == Phase.FAILED and state.branches:  # its own …StateFailed says so
        return
    if frame.run is not None:
        yield "MapRunAborted", {}
    else:
        yield from _aborted_children(frame, state.type == "Map")
    yield f"{state.type}StateAborted", {}


def _aborted_children(frame: Frame, is_map: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    for child in frame.children:
        if child.phase != Phase.CLOSED:
            if is_map:
                yield "MapIterationAborted", {"name": state_of(frame).name, "index": child.index}
            yield from _aborted(child)

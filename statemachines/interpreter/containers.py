"""Parallel and Map: states that contain machines.

Their order of events is that of Step Functions: all iterations that may run are started before the first of them enters
a state; a further one follows the last state of the iteration whose place it takes; when one fails, the states that the
others are in are aborted. Both …StateSucceeded and …StateExited follow the last event of the child that ended last.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-map.html
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from statemachines.asl.limits import MAX_INLINE_MAP_CONCURRENCY
from statemachines.interpreter.effects import Stop
from statemachines.interpreter.failure import RUNTIME, Failure
from statemachines.interpreter.frame import Frame, Payload, Phase, state_of, walk
from statemachines.interpreter.recorder import MAX_PAYLOAD_BYTES, payload, too_large
from statemachines.interpreter.states import input_of, whole
from statemachines.interpreter.template import wrong_type

if TYPE_CHECKING:
    from statemachines.interpreter.engine import Engine

_ABORTABLE = frozenset({"Task", "Wait", "Parallel", "Map"})
_MAX_CONCURRENCY = 1_000_000
_SLEEPING = (Phase.RUNNING, Phase.WAITING, Phase.BACKOFF)


def begin_parallel(engine: "Engine", frame: Frame) -> None:
    """Starts every branch."""
    state = state_of(frame)
    shared = branch_input(engine, frame)
    engine.record(frame, "ParallelStateStarted", {})
    frame.phase = Phase.CHILDREN
    for index, machine in enumerate(state.branches):
        engine.ready.append(frame.child(machine, index, shared, frame.last))


def branch_input(engine: "Engine", frame: Frame) -> Payload:
    """What every branch of a Parallel is given."""
    state = state_of(frame)
    if state.arguments is None:
        return input_of(frame)
    return payload(state.arguments(engine.variables(frame)), state.name)


def begin_map(engine: "Engine", frame: Frame) -> None:
    """Starts as many iterations as may run side by side."""
    items = items_of(engine, frame)
    limit = concurrency_of(engine, frame)
    engine.record(frame, "MapStateStarted", {"length": len(items)})
    frame.length = len(items)
    frame.phase = Phase.CHILDREN
    if not items:
        frame.phase = Phase.JOIN
    started = frame.last
    while frame.phase == Phase.CHILDREN and frame.begun < min(limit, len(items)):
        begin_iteration(engine, frame, started)


def items_of(engine: "Engine", frame: Frame) -> list[Any]:
    """What a Map iterates over; an object gives its members as `{"Key", "Value"}`."""
    if frame.items is None:
        amount = state_of(frame).items
        value = amount.template(engine.variables(frame)) if amount else input_of(frame).value
        if isinstance(value, dict):
            value = [{"Key": key, "Value": item} for key, item in value.items()]
        if not isinstance(value, list):
            if amount:
                raise wrong_type(amount.text, "Items", "array", value)
            raise Failure(RUNTIME, "The state's input is not an array, and there is no field 'Items'.")
        frame.items = value
    return frame.items


def concurrency_of(engine: "Engine", frame: Frame) -> int:
    """How many iterations may run side by side."""
    if not frame.concurrency:
        amount = state_of(frame).max_concurrency
        value = whole(amount, "MaxConcurrency", engine.variables(frame), 0, _MAX_CONCURRENCY) if amount else 0
        frame.concurrency = min(value or MAX_INLINE_MAP_CONCURRENCY, MAX_INLINE_MAP_CONCURRENCY)
    return frame.concurrency


def begin_iteration(engine: "Engine", frame: Frame, last: int) -> None:
    """Starts the Map's next iteration; `last` is the event that it follows."""
    state, index = state_of(frame), frame.begun
    try:
        item = item_input(engine, frame, index)
    except Failure as failure:  # the Map's own, not that of the iteration that has just made room
        _fail(engine, frame, failure)
        return
    frame.begun += 1
    started = engine.recorder.record("MapIterationStarted", last, {"name": state.name, "index": index})
    engine.ready.append(frame.child(state.branches[0], index, item, started))


def item_input(engine: "Engine", frame: Frame, index: int) -> Payload:
    """The input of one iteration: the item, or what `ItemSelector` makes of it."""
    state, item = state_of(frame), items_of(engine, frame)[index]
    if state.item_selector is None:
        return payload(item, state.name)
    variables = engine.variables(frame)
    variables["states"]["context"] |= {"Map": {"Item": {"Index": index, "Value": item}}}
    return payload(state.item_selector(variables), state.name)


def take_input(engine: "Engine", child: Frame) -> bool:
    """Works out the input of a child that was started before a restart; False where that failed its owner."""
    owner = owner_of(child)
    try:
        if state_of(owner).type == "Map":
            child.input = item_input(engine, owner, child.index)
        else:
            child.input = branch_input(engine, owner)
    except Failure as failure:
        _fail(engine, owner, failure)
        return False
    return True


def _fail(engine: "Engine", owner: Frame, failure: Failure) -> None:
    """An input for a child could not be evaluated."""
    give_up(engine, owner)
    engine.fail(owner, failure)
    engine.ready.append(owner)


def item_of(engine: "Engine", frame: Frame) -> dict[str, Any] | None:
    """`Map.Item` of the innermost iteration that the frame is in."""
    while frame.owner is not None:
        if state_of(frame.owner).type == "Map":
            return {"Index": frame.index, "Value": items_of(engine, frame.owner)[frame.index]}
        frame = frame.owner
    return None


def child_done(engine: "Engine", child: Frame) -> None:
    """A branch or an iteration has come to its end."""
    owner = owner_of(child)
    child.phase = Phase.CLOSED
    owner.open -= 1
    owner.last = child.last
    state = state_of(owner)
    if state.type == "Map":
        details = {"name": state.name, "index": child.index}
        owner.last = engine.recorder.record("MapIterationSucceeded", child.last, details)
        if owner.begun < owner.length:
            begin_iteration(engine, owner, child.last)
            return
    if owner.open == 0:
        owner.phase = Phase.JOIN
        engine.ready.append(owner)


def join(engine: "Engine", frame: Frame) -> None:
    """Every child is done."""
    engine.recorder.record(f"{state_of(frame).type}StateSucceeded", frame.last, {})
    frame.phase = Phase.JOINED


def leave(engine: "Engine", frame: Frame) -> None:
    """The result is the list of what the children gave, in their order."""
    state = state_of(frame)
    outputs = [input_of(child) for child in frame.children]
    result = Payload([each.value for each in outputs], f"[{','.join(each.text for each in outputs)}]")
    if state.output is None and len(result.text.encode()) > MAX_PAYLOAD_BYTES:
        raise too_large(state.name)
    engine.exit(frame, state.next, result, state.output, state.assign, result=result.value)


def child_failed(engine: "Engine", child: Frame, failure: Failure) -> None:
    """One failure fails the whole state; what the other children do is aborted."""
    owner = owner_of(child)
    events = list(_aborts(owner, child))[owner.aborts_written :]
    for kind, details in events:
        engine.recorder.record(kind, child.last, details)
    owner.last = engine.recorder.record(f"{state_of(owner).type}StateFailed", child.last, {})
    give_up(engine, owner)
    engine.failed(owner, failure)
    engine.ready.append(owner)


def give_up(engine: "Engine", owner: Frame) -> None:
    """Closes every frame below."""
    for child in owner.children:
        for frame in walk(child):
            if frame.phase in _SLEEPING:
                engine.effects.append(Stop(frame))
            frame.phase = Phase.CLOSED
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
    for child in frame.children:
        if child.phase != Phase.CLOSED:
            if state.type == "Map":
                yield "MapIterationAborted", {"name": state.name, "index": child.index}
            yield from _aborted(child)
    yield f"{state.type}StateAborted", {}


def owner_of(child: Frame) -> Frame:
    """The frame whose Parallel or Map the child belongs to."""
    if child.owner is None:
        raise AssertionError("the whole execution's frame has no owner")
    return child.owner

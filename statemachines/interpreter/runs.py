"""Distributed Map: every item, or batch of items, is an execution of its own.

The parent's history tells of the Map Run only; the items' events go to journals of their own. Events of the parent as
recorded from AWS (LocalStack's test_map_state_config_distributed_item_selector): MapStateStarted, MapRunStarted,
MapRunSucceeded, MapStateSucceeded, and MapStateExited, which follows MapRunSucceeded as well.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
"""

from typing import Any

import orjson

from shared.ids import derived_id
from statemachines.interpreter.containers import MAX_CONCURRENCY, concurrency_of, give_up, state_failed
from statemachines.interpreter.core import Core
from statemachines.interpreter.effects import LoadItem
from statemachines.interpreter.execution import ChildExecution, Ledger
from statemachines.interpreter.failure import EXCEED_TOLERATED_FAILURES, EXCEEDED, RUNTIME, Failure
from statemachines.interpreter.frame import Frame, Phase, input_of, owner_of, state_of
from statemachines.interpreter.machine import Distribution
from statemachines.interpreter.map_run import Batches, MapRun, Tolerance
from statemachines.interpreter.payloads import MAX_PAYLOAD_BYTES, Payload, payload

MAX_UNWRITTEN_EVENTS = 2_000
"""Items begin only while fewer of their events than this wait to be written: that bounds memory."""

_MAX_UNWRITTEN_ITEMS = MAX_UNWRITTEN_EVENTS // 4 + 1
"""How many items may have ended that the ledger does not know: one has four events at least."""

_NO_HISTORIES = "This interpreter cannot read histories back, so it runs no distributed Map."


def start_run(core: Core, frame: Frame) -> None:
    """Starts the Map Run. Its items begin once that is on disk: their journals are found by it."""
    if not core.reads_histories:
        raise Failure(RUNTIME, _NO_HISTORIES)
    run = new_run(core, frame)
    core.record(frame, "MapRunStarted", {"mapRunArn": run.arn})
    frame.run = run
    frame.phase = Phase.CHILDREN
    core.stalled.append(frame)


def new_run(core: Core, frame: Frame) -> MapRun:
    """The Map Run that follows the frame's MapStateStarted event, which is its newest."""
    execution = frame.execution
    run_id = derived_id(execution.id, f"map-run/{frame.last}")
    about = state_of(frame).distribution or Distribution()
    label = about.label or derived_id(execution.id, f"label/{state_of(frame).name}")
    name = f"{execution.machine}/{label}"
    ledger = Ledger(execution, run_id, name, Payload(None, "null"), core.now)
    concurrency_of(core, frame)
    return MapRun(ledger, execution.machine, label, _batches(core, frame, about), _tolerance(core, frame, about))


def _tolerance(core: Core, frame: Frame, about: Distribution) -> Tolerance:
    count, percentage, variables = about.tolerated_count, about.tolerated_percentage, core.variables(frame)
    return Tolerance(
        count.whole("ToleratedFailureCount", variables, 0, MAX_CONCURRENCY) if count else 0,
        percentage.number("ToleratedFailurePercentage", variables, 0, 100) if percentage else 0,
    )


def _batches(core: Core, frame: Frame, about: Distribution) -> Batches:
    total = frame.length
    if about.max_items is None and about.max_bytes is None:
        return Batches(range(total), total, batched=False)
    variables = core.variables(frame)
    field = "ItemBatcher/MaxItemsPerBatch"
    items = about.max_items.whole(field, variables, 1, MAX_CONCURRENCY) if about.max_items else max(total, 1)
    if about.max_bytes is None:
        return Batches(range(0, total, items), total, batched=True)
    most = about.max_bytes.whole("ItemBatcher/MaxInputBytesPerBatch", variables, 1, MAX_PAYLOAD_BYTES)
    return Batches(_packed(core, frame, items, most), total, batched=True)


def _packed(core: Core, frame: Frame, items: int, most: int) -> list[int]:
    """Where each batch begins, when none is above `most` bytes; an item that is larger is a batch by itself."""
    empty = len(orjson.dumps(_batch(core, frame, range(0))))
    starts: list[int] = []
    size = 0
    for place in range(frame.length):
        needs = len(orjson.dumps(core.item_input(frame, place))) + 1
        if not starts or place - starts[-1] >= items or size + needs > most + 1:
            starts.append(place)
            size = empty
        size += needs
    return starts


def _batch(core: Core, frame: Frame, share: range) -> dict[str, Any]:
    about = state_of(frame).distribution
    shared = about.batch_input if about is not None else None
    found = {} if shared is None else {"BatchInput": shared(core.variables(frame))}
    return {**found, "Items": [core.item_input(frame, place) for place in share]}


def fill(core: Core, frame: Frame) -> None:
    """Starts as many items as may run side by side; the run is done when there are none left."""
    run = run_of(frame)
    while frame.phase == Phase.CHILDREN and frame.open < frame.concurrency:
        if core.execution.unwritten_events >= MAX_UNWRITTEN_EVENTS:
            core.stalled.append(frame)
            return
        index = run.take_next()
        if index is None:
            break
        if index in run.suspects:
            frame.open += 1
            core.effects.append(LoadItem(frame, index))
        else:
            begin_item(core, frame, index)
    if frame.phase == Phase.CHILDREN and frame.open == 0:
        frame.phase = Phase.RUN_DONE
        core.ready.append(frame)


def begin_item(core: Core, frame: Frame, index: int) -> None:
    """Starts a child execution."""
    run, state = run_of(frame), state_of(frame)
    try:
        batched, share = run.batches.batched, run.batches.share(index)
        value = _batch(core, frame, share) if batched else core.item_input(frame, index)
        input_ = payload(value, state.name)
    except Failure as failure:
        _fail_run(core, frame, failure)
        return
    child = add_item(core, frame, index, input_)
    child.execution.record("ExecutionStarted", 0, {"input": input_.text}, core.now)
    core.ready.append(child)


def add_item(core: Core, frame: Frame, index: int, input_: Payload) -> Frame:
    """A frame for an item, with an execution of its own."""
    run = run_of(frame)
    name = run.ledger.machine
    execution = ChildExecution(frame.execution, run.child_id(index), name, input_, core.now)
    return frame.item(state_of(frame).branches[0], index, execution)


def item_succeeded(core: Core, child: Frame) -> None:
    """A child execution has come to its end."""
    text = input_of(child).text
    child.execution.record("ExecutionSucceeded", child.last, {"output": text}, core.now)
    run_of(owner_of(child)).succeed(child.index, text, core.now)
    item_ended(core, child)


def item_failed(core: Core, child: Frame, failure: Failure) -> None:
    """A child execution has failed."""
    give_up(core, child)
    child.execution.record("ExecutionFailed", child.last, failure.details(), core.now)
    run_of(owner_of(child)).fail(child.index, failure, core.now)
    item_ended(core, child)


def item_ended(core: Core, child: Frame) -> None:
    """The run knows what came of an item; another one takes its place, unless too many have failed."""
    owner = owner_of(child)
    core.close(child)
    owner.children.remove(child)
    owner.open -= 1
    if run_of(owner).too_many_failed():
        _fail_run(core, owner, Failure(EXCEED_TOLERATED_FAILURES, EXCEEDED))
    else:
        fill(core, owner)


def _fail_run(core: Core, frame: Frame, failure: Failure) -> None:
    give_up(core, frame)
    core.record(frame, "MapRunFailed", failure.details())
    frame.failure = failure
    frame.phase = Phase.RUN_FAILED
    core.ready.append(frame)


def fail_state(core: Core, frame: Frame) -> None:
    """The Map Run has failed, and so the state does."""
    failure = frame.failure
    assert failure is not None  # noqa: S101 - for the type checker: the phase says so
    state_failed(core, frame, frame.last, failure)


def finish_run(core: Core, frame: Frame) -> None:
    """Every item has ended, and no more failed than are tolerated."""
    core.record(frame, "MapRunSucceeded", {})
    frame.phase = Phase.JOIN


def run_loaded(core: Core, frame: Frame) -> None:
    """What had ended before a restart is known now."""
    run = run_of(frame)
    run.finish_reading(frame.concurrency + _MAX_UNWRITTEN_ITEMS, core.now)
    if run.too_many_failed() and frame.phase == Phase.CHILDREN:
        _fail_run(core, frame, Failure(EXCEED_TOLERATED_FAILURES, EXCEEDED))
    elif frame.phase == Phase.CHILDREN:
        core.stalled.append(frame)
    else:
        core.ready.append(frame)


def run_of(frame: Frame) -> MapRun:
    """The Map Run of a distributed Map that has started."""
    if frame.run is None:
        raise AssertionError("the frame has no Map Run")
    return frame.run

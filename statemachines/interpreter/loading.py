"""Reads what a distributed Map did before a restart: its ledger, and the histories of items that may have begun."""

from functools import partial

from shared.ports import Histories
from statemachines.interpreter.effects import LoadItem, LoadRun
from statemachines.interpreter.engine import Engine
from statemachines.interpreter.frame import Frame
from statemachines.interpreter.inbox import Happening
from statemachines.interpreter.recovery import item_loaded
from statemachines.interpreter.runs import run_of

_PAGE = 1_000


async def loaded(effect: LoadRun | LoadItem, engine: Engine, histories: Histories) -> Happening:
    """What the engine has to be told once that is read. Raises as the histories do."""
    if isinstance(effect, LoadRun):
        return await _run(effect.frame, engine, histories)
    return await _item(effect.frame, effect.index, engine, histories)


async def _run(frame: Frame, engine: Engine, histories: Histories) -> Happening:
    run, after = run_of(frame), 0
    while page := await histories.history(run.ledger.id, after=after, limit=_PAGE):
        for event in page:
            run.read(event)
        after = page[-1].id
    return partial(engine.run_loaded, frame)


async def _item(frame: Frame, index: int, engine: Engine, histories: Histories) -> Happening:
    run = run_of(frame)
    history = await histories.history(run.child_id(index))

    def take() -> None:
        if frame.run is run and frame.open:  # else it was given up meanwhile
            item_loaded(engine, frame, index, history)

    return take

"""AgentTurns and AgentMemory: one suite for every implementation."""

import asyncio
from dataclasses import replace

from shared.ids import new_id
from shared.ports import AgentRun, AgentTurnRecord, MemoryKey
from shared.settings import DEFAULT_PROJECT_ID


def new_run(**fields):
    return AgentRun(DEFAULT_PROJECT_ID, new_id(), "agent", **fields)


def turn(number, said="x"):
    return AgentTurnRecord(number, [{"said": said, "nul": "\0"}], {"number": number, "done": False}, {"usage": {}})


async def test_turns_are_given_in_order(stores):
    run = new_run()
    for number in (1, 0, 2):
        assert await stores.turns.keep(run, turn(number)) == turn(number)
    assert list(await stores.turns.finished(run)) == [turn(0), turn(1), turn(2)]


async def test_every_execution_node_and_iteration_has_its_own(stores):
    run = new_run(iteration="0-1")
    await stores.turns.keep(run, turn(0))
    for other in (replace(run, iteration="0-2"), replace(run, node="b"), replace(run, execution_id=new_id())):
        assert list(await stores.turns.finished(other)) == []


async def test_of_two_attempts_at_one_turn_the_first_stays_for_both(stores):
    run = new_run()
    attempts = [turn(0, str(index)) for index in range(8)]
    kept = await asyncio.gather(*(stores.turns.keep(run, each) for each in attempts))
    assert len({str(each) for each in kept}) == 1
    assert list(await stores.turns.finished(run)) == [kept[0]]


async def test_memory_gives_the_newest_messages_oldest_first(stores):
    key = MemoryKey(DEFAULT_PROJECT_ID, new_id(), "agent", "customer-7")
    for index in range(5):
        await stores.memory.remember(key, new_id(), [f"q{index}", f"a{index}"])
    assert await stores.memory.recall(key, 4) == ["q3", "a3", "q4", "a4"]
    assert await stores.memory.recall(key, 3) == ["a3", "q4", "a4"]
    assert len(await stores.memory.recall(key, 100)) == 10


async def test_an_execution_is_remembered_once(stores):
    key, execution_id = MemoryKey(DEFAULT_PROJECT_ID, new_id(), "agent", "k"), new_id()
    await stores.memory.remember(key, execution_id, ["a"])
    await stores.memory.remember(key, execution_id, ["b"])
    assert await stores.memory.recall(key, 10) == ["a"]


async def test_memory_is_not_shared(stores):
    key = MemoryKey(DEFAULT_PROJECT_ID, new_id(), "agent", "k")
    await stores.memory.remember(key, new_id(), ["a"])
    others = [replace(key, **{name: new_id()}) for name in ("project_id", "workflow_id", "node", "key")]
    assert [await stores.memory.recall(other, 10) for other in others] == [[]] * 4

"""Group commit, without a database."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.adapters.postgres.group_commit import GroupCommit
from shared.errors import StoreUnavailable


class Disk:
    """Commits one batch at a time, when told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.busy = False
        self.down = False

    async def commit(self, items: Sequence[int]) -> Sequence[int]:
        assert not self.busy
        self.busy = True
        self.batches.append(list(items))
        try:
            await self.gate.wait()
            if self.down:
                raise StoreUnavailable("down")
            if -1 in items:
                raise ValueError("bad item")
            return [item * 10 for item in items]
        finally:
            self.busy = False


async def begun(disk: Disk, batches: int = 1) -> None:
    while len(disk.batches) < batches:
        await asyncio.sleep(0)


async def test_what_arrives_during_a_commit_shares_the_next_one():
    disk = Disk()
    group = GroupCommit(disk.commit)
    first = asyncio.create_task(group.submit(1))
    await begun(disk)
    rest = [asyncio.create_task(group.submit(n)) for n in (2, 3, 4)]
    await asyncio.sleep(0)

    disk.gate.set()

    assert await asyncio.gather(first, *rest) == [10, 20, 30, 40]
    assert disk.batches == [[1], [2, 3, 4]]


async def test_a_batch_has_a_limit():
    disk = Disk()
    disk.gate.set()
    group = GroupCommit(disk.commit, max_batch=2)

    await asyncio.gather(*(group.submit(n) for n in range(5)))

    assert disk.batches == [[0, 1], [2, 3], [4]]


async def test_a_bad_item_fails_alone():
    disk = Disk()
    disk.gate.set()
    group = GroupCommit(disk.commit)

    results = await asyncio.gather(*(group.submit(n) for n in (1, -1, 2)), return_exceptions=True)

    assert [results[0], results[2]] == [10, 20]
    assert isinstance(results[1], ValueError)


async def test_a_lost_store_fails_the_batch_without_trying_each():
    disk = Disk()
    disk.gate.set()
    disk.down = True
    group = GroupCommit(disk.commit)

    results = await asyncio.gather(*(group.submit(n) for n in range(3)), return_exceptions=True)

    assert [type(result) for result in results] == [StoreUnavailable] * 3
    assert disk.batches == [[0, 1, 2]]
    disk.down = False
    assert await group.submit(4) == 40


async def test_too_many_waiting_are_turned_away():
    disk = Disk()
    group = GroupCommit(disk.commit, max_waiting=2)
    writing = asyncio.create_task(group.submit(0))
    await begun(disk)
    waiting = [asyncio.create_task(group.submit(n)) for n in (1, 2)]
    await asyncio.sleep(0)

    with pytest.raises(StoreUnavailable, match="2 writes wait"):
        await group.submit(3)

    disk.gate.set()
    assert await asyncio.gather(writing, *waiting) == [0, 10, 20]


async def test_a_caller_that_gives_up_harms_no_other():
    disk = Disk()
    group = GroupCommit(disk.commit)
    tasks = [asyncio.create_task(group.submit(n)) for n in (1, 2)]
    await begun(disk)

    tasks[0].cancel()
    disk.gate.set()

    assert await tasks[1] == 20
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]


async def test_flush_waits_for_what_is_on_its_way():
    disk = Disk()
    group = GroupCommit(disk.commit)
    await group.flush()
    task = asyncio.create_task(group.submit(1))
    await begun(disk)
    flushing = asyncio.create_task(group.flush())
    await asyncio.sleep(0)
    assert not flushing.done()

    disk.gate.set()
    await flushing

    assert await task == 10

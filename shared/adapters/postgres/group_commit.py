"""Group commit: what arrives while one commit runs shares the next one, so that many writers wait for few disk syncs.

Before, four writers: write sync write sync write sync write sync. After: write sync, then three writes in one sync.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from shared.errors import StoreUnavailable

T = TypeVar("T")
R = TypeVar("R")


class GroupCommit(Generic[T, R]):
    """Hands items to `commit` in batches, one batch at a time, in the order they came.

    `commit` gets one to `max_batch` items and gives a result for each, once all are durable. Where it fails for a batch
    of several for another reason than a lost database, each is committed alone, so that one bad item harms no other.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        *,
        max_batch: int = 256,
        max_waiting: int = 10_000,
    ) -> None:
        self._commit = commit
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def submit(self, item: T) -> R:
        """The item's result, once it is durable. A caller that is cancelled meanwhile does not take the item back.

        Raises:
            StoreUnavailable: `max_waiting` items wait already.
        """
        if len(self._waiting) >= self._max_waiting:
            raise StoreUnavailable(
                f"{len(self._waiting)} writes wait for the database already, which is the limit. Try again later."
            )
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain(), name="group commit")
        return await future

    async def flush(self) -> None:
        """Waits until nothing waits."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _drain(self) -> None:
        try:
            # Tasks that became ready together submit together; let all of them do so before the batch is closed.
            await asyncio.sleep(0)
            while self._waiting:
                size = min(len(self._waiting), self._max_batch)
                await self._settle([self._waiting.popleft() for _ in range(size)])
        finally:
            self._task = None

    async def _settle(self, batch: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._commit([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait
            if len(batch) > 1 and not isinstance(error, StoreUnavailable):
                for each in batch:
                    await self._settle([each])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)

"""What has happened to an execution and is still to be told to its engine."""

import asyncio
from collections.abc import Callable
from datetime import datetime

Happening = Callable[[], None]


class Inbox:
    """Wakes the one who waits. What happened at a known time comes first, in the order of those times: after a pause
    the engine is told of time-outs and completions in the order in which they happened."""

    def __init__(self) -> None:
        self._happenings: list[Happening] = []
        self._timed: list[tuple[datetime, int, Happening]] = []
        self._woken: asyncio.Future[None] | None = None

    def __bool__(self) -> bool:
        return bool(self._happenings or self._timed)

    def post(self, happening: Happening) -> None:
        self._happenings.append(happening)
        self.wake()

    def post_at(self, at: datetime, happening: Happening) -> None:
        """It happened at `at`, or is due since."""
        self._timed.append((at, len(self._timed), happening))
        self.wake()

    def wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    def woken(self) -> asyncio.Future[None]:
        """Done when `wake` is called."""
        self._woken = asyncio.get_running_loop().create_future()
        return self._woken

    def take(self) -> list[Happening]:
        """Everything, which is the caller's to tell from now on."""
        happenings, self._happenings = self._happenings, []
        if self._timed:
            timed, self._timed = sorted(self._timed, key=lambda each: each[:2]), []
            return [*(each[2] for each in timed), *happenings]
        return happenings

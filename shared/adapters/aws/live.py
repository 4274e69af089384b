"""LiveFeed of the API behind API Gateway, which sends an answer when it is whole and waits 29 s for it."""

from collections.abc import AsyncIterator, Sequence

from shared.ports import AgentText, LiveFeed


class Glances(LiveFeed):
    """Shows what has happened so far, and ends: whoever watches comes back for more. What agents say is not shown."""

    async def publish(self, execution_ids: Sequence[str]) -> None:
        """Nobody is watching."""

    async def say(self, execution_id: str, said: AgentText) -> None:
        """As `publish`."""

    async def watch(self, execution_id: str) -> AsyncIterator[Sequence[AgentText]]:
        """Yields once."""
        del execution_id
        yield ()

"""The tools of MCP servers, as an agent offers them to its model.

What a server offers is asked for in the turn that needs it, and remembered for a while: a turn is then no slower for a
server that was asked in the turn before. The descriptions are the server's own words; they reach the model as those of
tools, never as instructions.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.connections.kinds import secrets_of
from shared.connections.redaction import keep_secret
from shared.connections.resolve import Connections
from shared.errors import ConnectionUnusable, NodeConfigInvalid
from shared.workflow.definition import AgentTool

if TYPE_CHECKING:
    from shared.adapters.http.authorise import Requester
    from shared.adapters.http.mcp import McpTool
    from shared.connections.kinds import Credentials

_FRESH_SECONDS = 300.0
_TOTAL_SECONDS = 30.0
_MOST_BYTES = 2_000_000
_MOST = 200

_Key = tuple[str, str, str | None]


@dataclass
class McpTools:
    """Lists what MCP servers offer. Shared by all calls of a process."""

    requester: "Requester"
    connections: Connections | None = None
    _known: dict[_Key, tuple[float, Sequence["McpTool"]]] = field(default_factory=dict)

    async def of(self, project_id: str, tools: Sequence[str | AgentTool]) -> "dict[int, Sequence[McpTool]]":
        """What each server of the config offers and its `allow` names, by its place in `tools`.

        Raises:
            NodeConfigInvalid: `allow` names what the server does not offer.
            ConnectionUnusable: there is no such connection, or it is not for this server.
            NodeError: see `McpServer.tools`.
        """
        servers = {
            place: each for place, each in enumerate(tools) if isinstance(each, AgentTool) and each.mcp is not None
        }
        offered = await asyncio.gather(*(self._offered(project_id, each) for each in servers.values()))
        return dict(zip(servers, offered, strict=True))

    async def _offered(self, project_id: str, server: AgentTool) -> Sequence["McpTool"]:
        key = (project_id, str(server.mcp), server.connection)
        at, found = self._known.get(key, (0.0, ()))
        if at <= time.monotonic():
            found = await self._ask(project_id, server)
            while len(self._known) >= _MOST:
                self._known.pop(next(iter(self._known)))
            self._known[key] = (time.monotonic() + _FRESH_SECONDS, found)
        return _allowed(server, found)

    async def _ask(self, project_id: str, server: AgentTool) -> Sequence["McpTool"]:
        from shared.adapters.http.exchange import Limits  # noqa: PLC0415 - few agents have such tools
        from shared.adapters.http.mcp import McpServer  # noqa: PLC0415 - the SDK is heavy, and few agents need it

        limits = Limits(_MOST_BYTES, _TOTAL_SECONDS)
        credentials = await self._credentials(project_id, server.connection)
        return await McpServer(self.requester.of(project_id), str(server.mcp), limits, credentials).tools()

    async def _credentials(self, project_id: str, name: str | None) -> "Credentials | None":
        if name is None:
            return None
        if self.connections is None:
            raise ConnectionUnusable(f"A tool names the connection '{name}', but there are none here.")
        credentials = await self.connections.resolve(project_id, name)
        for secret in secrets_of(credentials):
            keep_secret(secret)
        return credentials


def _allowed(server: AgentTool, offered: Sequence["McpTool"]) -> Sequence["McpTool"]:
    if server.allow is None:
        return offered
    names = {each.name for each in offered}
    missing = [name for name in server.allow if name not in names]
    if missing:
        raise NodeConfigInvalid(
            f"The MCP server {server.mcp} offers no tool {', '.join(missing)}; it offers {', '.join(sorted(names))}."
        )
    return [each for each in offered if each.name in server.allow]

"""What an agent may call: from its config to the definitions that a model sees, and from a model's call to a node call.

Terms:
  fixed arguments  those that the author sets; the model neither sees nor changes them
  offer            what MCP servers offer, by the server's place in the config; see `mcp_tools`
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_ai.messages import ToolCallPart
from pydantic_ai.tools import ToolDefinition

from shared.errors import NodeConfigInvalid
from shared.workflow.definition import AgentTool
from shared.workflow.tool_catalogue import tool_specs

if TYPE_CHECKING:
    from shared.adapters.http.mcp import McpTool

MAX_DEFINITIONS = 128
"""Providers take no more in one request."""

_ANYTHING: dict[str, Any] = {"type": "object"}


@dataclass(frozen=True, slots=True)
class _Offered:
    """A tool as the config has it; `remote` is its name on the MCP server, where it is one of those."""

    given: AgentTool
    definition: ToolDefinition
    remote: str | None = None

    def config(self, arguments: Any) -> dict[str, Any]:
        """The config of the node call that this tool's call becomes."""
        if self.given.workflow is not None:
            return {"workflow": self.given.workflow, "input": arguments}
        if self.remote is None:
            return {"tool": self.given.tool, "connection": self.given.connection, "arguments": arguments}
        call = {"url": self.given.mcp, "tool": self.remote, "arguments": arguments}
        return {"tool": "mcp.call", "connection": self.given.connection, "arguments": call}


class Toolbox:
    """The tools of one agent, by the name that the model knows them by."""

    def __init__(
        self, tools: Sequence[str | AgentTool], offer: Mapping[int, Sequence["McpTool"]] | None = None
    ) -> None:
        """Raises NodeConfigInvalid for a tool that is not there, for names that are not unique, and for too many."""
        self._tools: dict[str, _Offered] = {}
        for place, given in enumerate(tools):
            tool = AgentTool(tool=given) if isinstance(given, str) else given
            for each in _offered(tool, (offer or {}).get(place, ())):
                name = each.definition.name
                if name in self._tools:
                    raise NodeConfigInvalid(
                        f"Two tools of the agent are called '{name}'. Give one of them another `name`."
                    )
                self._tools[name] = each
        if len(self._tools) > MAX_DEFINITIONS:
            raise NodeConfigInvalid(
                f"The agent has {len(self._tools)} tools; a model takes {MAX_DEFINITIONS}. Name fewer in `allow`."
            )

    def definitions(self) -> list[ToolDefinition]:
        """As the model sees them."""
        return [each.definition for each in self._tools.values()]

    def call(self, part: ToolCallPart) -> dict[str, Any]:
        """The call that a model asks for, as the state machine makes it: `{id, kind, approval, config}`.

        A name that the model made up and arguments that are no JSON become a call that fails, so that it is told.
        """
        tool = self._tools.get(part.tool_name)
        try:
            arguments: Any = part.args_as_dict(raise_if_invalid=True)
        except (ValueError, AssertionError):
            arguments = part.args
        made = {"id": part.tool_call_id, "kind": "tool", "approval": False}
        if tool is None:
            return made | {"config": {"tool": part.tool_name, "arguments": arguments}}
        if isinstance(arguments, dict) and isinstance(tool.given.arguments, dict):
            arguments = arguments | tool.given.arguments
        kind = "tool" if tool.given.workflow is None else "workflow"
        return made | {"kind": kind, "approval": tool.given.approval, "config": tool.config(arguments)}


def _offered(tool: AgentTool, offer: Sequence["McpTool"]) -> Iterator[_Offered]:
    if tool.mcp is not None:
        for each in offer:
            yield _Offered(tool, _of_server(tool, each), each.name)
    else:
        yield _Offered(tool, _definition(_spelt(tool.name or tool.tool or tool.workflow or ""), tool))


def _spelt(name: str) -> str:
    """Providers take letters, digits, `_` and `-`, 64 of them."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64]


def _of_server(server: AgentTool, tool: "McpTool") -> ToolDefinition:
    """By the tool's own name, after the server's where the author gave it one."""
    name = _spelt(f"{server.name}_{tool.name}" if server.name else tool.name)
    schema = _without(tool.arguments, _fixed(server))
    return ToolDefinition(name=name, description=tool.description, parameters_json_schema=schema)


def _definition(name: str, tool: AgentTool) -> ToolDefinition:
    if tool.workflow is not None:
        described = tool.description or f"Runs the workflow '{tool.workflow}' and gives its output."
        return ToolDefinition(name=name, description=described, parameters_json_schema=tool.input_schema or _ANYTHING)
    spec = tool_specs().get(tool.tool or "")
    if spec is None:
        raise NodeConfigInvalid(f"There is no tool '{tool.tool}'. There are {', '.join(tool_specs())}.")
    schema = _without(spec.arguments, _fixed(tool))
    return ToolDefinition(name=name, description=tool.description or spec.summary, parameters_json_schema=schema)


def _fixed(tool: AgentTool) -> set[str]:
    return set(tool.arguments) if isinstance(tool.arguments, dict) else set()


def _without(schema: dict[str, Any], fixed: set[str]) -> dict[str, Any]:
    properties = {name: value for name, value in schema.get("properties", {}).items() if name not in fixed}
    required = [name for name in schema.get("required", []) if name not in fixed]
    return schema | {"properties": properties, "required": required}

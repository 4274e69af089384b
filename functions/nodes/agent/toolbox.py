"""What an agent may call: from its config to the definitions that a model sees, and from a model's call to a node call.

Terms:
  fixed arguments  those that the author sets; the model neither sees nor changes them
"""

import re
from typing import Any

from pydantic_ai.messages import ToolCallPart
from pydantic_ai.tools import ToolDefinition

from shared.errors import NodeConfigInvalid
from shared.workflow.definition import AgentTool
from shared.workflow.tool_catalogue import tool_specs

_ANYTHING: dict[str, Any] = {"type": "object"}


class Toolbox:
    """The tools of one agent, by the name that the model knows them by."""

    def __init__(self, tools: list[str | AgentTool]) -> None:
        """Raises NodeConfigInvalid for a tool that is not there, and for names that are not unique."""
        self._tools: dict[str, AgentTool] = {}
        for given in tools:
            tool = AgentTool(tool=given) if isinstance(given, str) else given
            name = _name(tool)
            if name in self._tools:
                raise NodeConfigInvalid(f"Two tools of the agent are called '{name}'. Give one of them another `name`.")
            self._tools[name] = tool

    def definitions(self) -> list[ToolDefinition]:
        """As the model sees them."""
        return [_definition(name, tool) for name, tool in self._tools.items()]

    def call(self, part: ToolCallPart) -> dict[str, Any]:
        """The call that a model asks for, as the state machine makes it: `{id, kind, approval, config}`.

        A name that the model made up and arguments that are no JSON become a call that fails, so that it is told.
        """
        tool = self._tools.get(part.tool_name)
        try:
            arguments: Any = part.args_as_dict(raise_if_invalid=True)
        except (ValueError, AssertionError):
            arguments = part.args
        if tool is None:
            return _made(part, "tool", {"tool": part.tool_name, "arguments": arguments})
        if isinstance(arguments, dict) and isinstance(tool.arguments, dict):
            arguments = arguments | tool.arguments
        if tool.workflow is not None:
            return _made(part, "workflow", {"workflow": tool.workflow, "input": arguments}, approval=tool.approval)
        config = {"tool": tool.tool, "connection": tool.connection, "arguments": arguments}
        return _made(part, "tool", config, approval=tool.approval)


def _made(part: ToolCallPart, kind: str, config: dict[str, Any], *, approval: bool = False) -> dict[str, Any]:
    return {"id": part.tool_call_id, "kind": kind, "approval": approval, "config": config}


def _name(tool: AgentTool) -> str:
    """Providers take letters, digits, `_` and `-`, 64 of them."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", tool.name or tool.tool or tool.workflow or "")[:64]


def _definition(name: str, tool: AgentTool) -> ToolDefinition:
    if tool.mcp is not None:
        raise NodeConfigInvalid(f"The tool '{name}' is of an MCP server; those are not built yet. Remove it for now.")
    if tool.workflow is not None:
        described = tool.description or f"Runs the workflow '{tool.workflow}' and gives its output."
        return ToolDefinition(name=name, description=described, parameters_json_schema=tool.input_schema or _ANYTHING)
    spec = tool_specs().get(tool.tool or "")
    if spec is None:
        raise NodeConfigInvalid(f"There is no tool '{tool.tool}'. There are {', '.join(tool_specs())}.")
    schema = _without(spec.arguments, set(tool.arguments) if isinstance(tool.arguments, dict) else set())
    return ToolDefinition(name=name, description=tool.description or spec.summary, parameters_json_schema=schema)


def _without(schema: dict[str, Any], fixed: set[str]) -> dict[str, Any]:
    properties = {name: value for name, value in schema.get("properties", {}).items() if name not in fixed}
    required = [name for name in schema.get("required", []) if name not in fixed]
    return schema | {"properties": properties, "required": required}

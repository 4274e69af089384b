"""What an agent may be given: tools that say what they are, names that a model can tell apart."""

import re
from collections.abc import Iterator

from shared.workflow.definition import AgentNode, AgentTool
from statemachines.compiler.compilation import Compilation

_KINDS = ("tool", "mcp", "workflow")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What every provider takes as the name of a tool."""

_ONLY_FOR = {"allow": ("mcp",), "input_schema": ("workflow",), "connection": ("tool", "mcp")}


def agents(compilation: Compilation) -> None:
    """Checks every agent's tools and memory."""
    for node in compilation.nodes.values():
        if isinstance(node.spec, AgentNode):
            for index, tool in enumerate(node.spec.config.tools):
                if isinstance(tool, AgentTool):
                    _tool(compilation, node.id, tool, f"{node.path}.config.tools[{index}]")
            _duplicates(compilation, node.spec, f"{node.path}.config.tools")
            _memory(compilation, node.spec, f"{node.path}.config.memory.key")


def _tool(compilation: Compilation, node: str, tool: AgentTool, path: str) -> None:
    given = [kind for kind in _KINDS if getattr(tool, kind) is not None]
    if len(given) != 1:
        what = f"{' and '.join(f'`{kind}`' for kind in given)} are given" if given else "none is given"
        message = f"A tool is a registered `tool`, an `mcp` server or a `workflow`; {what}."
        fix = "Give exactly one of them; two tools are two entries of the list."
        compilation.error("agent.tool_one_of", path, message, node=node, value=given, allowed=list(_KINDS), fix=fix)
        return
    if tool.mcp is not None and not tool.mcp.lower().startswith(("http://", "https://")):
        message = f"`mcp` is {tool.mcp[:100]!r}; it must begin with https:// or http://, and cannot be an expression."
        fix = "Give the address of the server's streamable HTTP endpoint."
        compilation.error("agent.tool_mcp", f"{path}.mcp", message, node=node, value=tool.mcp[:200], fix=fix)
    if tool.name is not None and not _NAME.fullmatch(tool.name):
        message = f"A model cannot call a tool '{tool.name}'."
        allowed = "1 to 64 letters, digits, underscores and hyphens"
        fix = f"Call it '{_spelt(tool.name)}', for example."
        more = {"value": tool.name, "allowed": allowed, "fix": fix}
        compilation.error("agent.tool_name", f"{path}.name", message, node=node, **more)
    for field, kinds in _ONLY_FOR.items():
        if getattr(tool, field) is not None and given[0] not in kinds:
            message = f"`{field}` has no effect on a tool that is given by `{given[0]}`."
            compilation.warn("node.no_effect", f"{path}.{field}", message, node=node, fix="Remove it.")


def _duplicates(compilation: Compilation, spec: AgentNode, path: str) -> None:
    seen: dict[str, str] = {}
    for where, name, known_as in _names(spec, path):
        first = seen.setdefault(known_as, where)
        if first != where:
            message = f"The model would know this tool by the same name as {first}: '{known_as}'."
            fix = "Remove one of them, or give one a `name` of its own."
            compilation.error("agent.tool_duplicate", where, message, node=spec.id, value=name, fix=fix)


def _names(spec: AgentNode, path: str) -> Iterator[tuple[str, str, str]]:
    """(path, name as written, name as the model reads it) of each tool. The tools of an MCP server bring their own
    names; the same server twice is a mistake all the same."""
    for index, tool in enumerate(spec.config.tools):
        each = AgentTool(tool=tool) if isinstance(tool, str) else tool
        name = each.name or each.tool or each.workflow or each.mcp
        if name is not None:
            known_as = name if each.mcp is not None and each.name is None else _spelt(name)
            yield f"{path}[{index}]", name, known_as


def _spelt(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64]


def _memory(compilation: Compilation, spec: AgentNode, path: str) -> None:
    memory = spec.config.memory
    if memory is not None and not memory.key.strip():
        message = "The key of the memory is empty, so nobody could tell whose memory it is."
        fix = "Name whom the agent remembers, for example `{% $input.customer_id %}`."
        compilation.error("agent.memory_key", path, message, node=spec.id, value=memory.key, fix=fix)

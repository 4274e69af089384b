"""What an express execution cannot do: wait for somebody else, run longer than five minutes, or have a distributed Map.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html
"""

from collections.abc import Iterator

from shared.workflow.definition import (
    AgentNode,
    AgentTool,
    ApprovalNode,
    DelayNode,
    ForEachConfig,
    LoopNode,
    SubworkflowNode,
)
from statemachines.asl.limits import MAX_EXPRESS_SECONDS
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.model import GraphNode

_DURABLE = "use `settings.mode: durable`."


def express(compilation: Compilation) -> None:
    """Checks the settings and nodes of a workflow whose mode is `express`."""
    settings = compilation.settings
    if settings.mode != "express":
        return
    if "timeout_seconds" in settings.model_fields_set and settings.timeout_seconds > MAX_EXPRESS_SECONDS:
        compilation.error(
            "limit.express_timeout",
            "settings.timeout_seconds",
            f"An express execution ends after {MAX_EXPRESS_SECONDS} seconds, whatever `timeout_seconds` says.",
            value=settings.timeout_seconds,
            allowed=MAX_EXPRESS_SECONDS,
            fix=f"Set at most {MAX_EXPRESS_SECONDS}, or {_DURABLE}",
        )
    for node in compilation.nodes.values():
        for code, field, message, fix in _mistakes(node):
            compilation.error(code, f"{node.path}.{field}", message, node=node.id, fix=fix)


def _mistakes(node: GraphNode) -> Iterator[tuple[str, str, str, str]]:
    match node.spec:
        case ApprovalNode():
            message = "An express execution cannot wait for a person."
            yield "express.approval", "type", message, f"Remove the node, or {_DURABLE}"
        case SubworkflowNode() if node.spec.config.wait:
            message = "An express execution cannot wait for another workflow."
            yield "express.workflow", "config.wait", message, f"Set `wait: false`, or {_DURABLE}"
        case AgentNode():
            yield from _tools(node.spec)
        case LoopNode(config=ForEachConfig(mode="distributed")):
            message = "The items of an express execution's loop cannot be executions of their own."
            yield "express.distributed", "config.mode", message, f"Remove `mode`, or {_DURABLE}"
        case DelayNode() if isinstance(seconds := node.spec.config.seconds, int) and seconds > MAX_EXPRESS_SECONDS:
            message = f"The delay is {seconds} seconds; an express execution ends after {MAX_EXPRESS_SECONDS}."
            yield "express.delay", "config.seconds", message, f"Lower it, or {_DURABLE}"


def _tools(spec: AgentNode) -> Iterator[tuple[str, str, str, str]]:
    for index, tool in enumerate(spec.config.tools):
        if isinstance(tool, AgentTool) and tool.approval:
            message = "An express execution cannot wait until a person approves a call."
            yield "express.approval", f"config.tools[{index}].approval", message, f"Remove it, or {_DURABLE}"
        if isinstance(tool, AgentTool) and tool.workflow is not None:
            message = "An express execution cannot wait for a workflow that is called as a tool."
            yield "express.workflow", f"config.tools[{index}].workflow", message, f"Remove it, or {_DURABLE}"

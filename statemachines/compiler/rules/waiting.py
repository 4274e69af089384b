"""Nodes that wait for somebody else: approvals, and other workflows."""

from collections.abc import Iterator

from shared.workflow.definition import AgentNode, AgentTool, ApprovalNode, SubworkflowNode
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.model import GraphNode


def waiting(compilation: Compilation) -> None:
    """Checks who is asked and when, and that a workflow that starts itself was meant to."""
    for node in compilation.nodes.values():
        if isinstance(node.spec, ApprovalNode):
            _approval(compilation, node.spec, node.path)
        for path, workflow in _started(node):
            if workflow == compilation.name:
                message = f"'{node.id}' runs '{workflow}', which is this workflow itself, and so again and again."
                fix = "Make sure by a condition that it ends, or use a `while` loop."
                compilation.warn("workflow.recursion", path, message, node=node.id, value=workflow, fix=fix)


def _started(node: GraphNode) -> Iterator[tuple[str, str]]:
    if isinstance(node.spec, SubworkflowNode):
        yield f"{node.path}.config.workflow", node.spec.config.workflow
    elif isinstance(node.spec, AgentNode):
        for index, tool in enumerate(node.spec.config.tools):
            if isinstance(tool, AgentTool) and tool.workflow is not None:
                yield f"{node.path}.config.tools[{index}].workflow", tool.workflow


def _approval(compilation: Compilation, spec: ApprovalNode, path: str) -> None:
    config, after = spec.config, spec.config.escalate_after_seconds
    if not config.title.strip():
        message, fix = "The title is empty; it is what a person reads first.", "Say what is to be decided."
        compilation.error("approval.title", f"{path}.config.title", message, node=spec.id, value=config.title, fix=fix)
    if config.escalate_to and after is None:
        message = "`escalate_to` says who is asked next, but nothing says when."
        fix = "Add `escalate_after_seconds`, or remove `escalate_to`."
        compilation.error("approval.escalate_after", f"{path}.config.escalate_to", message, node=spec.id, fix=fix)
    if after is None:
        return
    where = f"{path}.config.escalate_after_seconds"
    if not config.escalate_to:
        message = f"After {after} seconds others would be asked, but nobody is named."
        fix = "Name them in `escalate_to`, or remove `escalate_after_seconds`."
        compilation.error("approval.escalate_to", where, message, node=spec.id, value=after, fix=fix)
    if spec.timeout_seconds is not None and after >= spec.timeout_seconds:
        message = f"Others are asked after {after} seconds, but the node's time is over after {spec.timeout_seconds}."
        fix = "Lower it, or raise the node's `timeout_seconds`."
        more = {"value": after, "allowed": f"60 to {spec.timeout_seconds - 1}", "fix": fix}
        compilation.error("approval.escalates_too_late", where, message, node=spec.id, **more)

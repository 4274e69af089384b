"""`workflow.start`: starts another workflow of the project and does not wait. A retry starts no second one."""

from typing import Any

from pydantic import Field

from functions.nodes.tool.registry import Arguments, Tool, ToolContext
from shared.errors import NodeStoreUnavailable


class StartArguments(Arguments):
    workflow: str = Field(min_length=1, max_length=64, description="Its name.")
    input: Any = Field(default_factory=dict)


async def run(arguments: StartArguments, context: ToolContext) -> dict[str, Any]:
    """`{execution_id}`."""
    if context.services.starts is None:
        raise NodeStoreUnavailable("This stage cannot start workflows from a tool.")
    return {"execution_id": await context.services.starts.start(context.call, arguments.workflow, arguments.input)}


TOOL = Tool(
    name="workflow.start",
    summary="Starts another workflow of the project, and does not wait for it.",
    arguments=StartArguments,
    run=run,
    raises=("NodeConfigInvalid", "NodeStoreUnavailable"),
)

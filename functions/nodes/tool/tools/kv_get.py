"""`kv.get`: a value that a workflow of the project kept by `kv.set`."""

from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from functions.nodes.tool.registry import Arguments, Tool, ToolContext
from shared.errors import NodeStoreUnavailable, StoreUnavailable


class GetArguments(Arguments):
    key: str = Field(min_length=1, max_length=500, pattern=r"^[^\x00]+$")
    default: Any = Field(default=None, description="What `value` is where nothing is kept.")


async def run(arguments: GetArguments, context: ToolContext) -> dict[str, Any]:
    """`{found, value}`."""
    values = context.services.values
    if values is None:
        raise NodeStoreUnavailable("This stage keeps no values.")
    try:
        found, value = await values.get(context.call.execution.project_id, arguments.key, datetime.now(UTC))
    except StoreUnavailable as error:
        raise NodeStoreUnavailable(error.message) from None
    return {"found": found, "value": value if found else arguments.default}


TOOL = Tool(
    name="kv.get",
    summary="Gives a value that was kept under a key.",
    arguments=GetArguments,
    run=run,
    raises=("NodeConfigInvalid", "NodeStoreUnavailable"),
)

"""`kv.set`: keeps a small value under a key, for all workflows of the project and from run to run."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from pydantic import Field

from functions.nodes.tool.registry import Arguments, Tool, ToolContext
from shared.errors import NodeConfigInvalid, NodeStoreUnavailable, StoreUnavailable

MAX_VALUE_BYTES = 200_000


class SetArguments(Arguments):
    key: str = Field(min_length=1, max_length=500, pattern=r"^[^\x00]+$")
    value: Any = Field(description="Any JSON, up to 200,000 bytes.")
    ttl_seconds: int | None = Field(default=None, ge=1, le=31_536_000, description="Without it, it stays.")
    if_absent: bool = Field(default=False, description="Keep it only where nothing is kept: the first one wins.")


async def run(arguments: SetArguments, context: ToolContext) -> dict[str, Any]:
    """`{written}`: false where `if_absent` found a value."""
    size = len(orjson.dumps(arguments.value))
    if size > MAX_VALUE_BYTES:
        raise NodeConfigInvalid(f"The value has {size} bytes as JSON; {MAX_VALUE_BYTES} are allowed. Use object.put.")
    values = context.services.values
    if values is None:
        raise NodeStoreUnavailable("This stage keeps no values.")
    now = datetime.now(UTC)
    expires_at = None if arguments.ttl_seconds is None else now + timedelta(seconds=arguments.ttl_seconds)
    project_id = context.call.execution.project_id
    try:
        written = await values.set(
            project_id, arguments.key, arguments.value, now, expires_at=expires_at, if_absent=arguments.if_absent
        )
    except StoreUnavailable as error:
        raise NodeStoreUnavailable(error.message) from None
    return {"written": written}


TOOL = Tool(
    name="kv.set",
    summary="Keeps a small value under a key, from run to run.",
    arguments=SetArguments,
    run=run,
    raises=("NodeConfigInvalid", "NodeStoreUnavailable"),
)

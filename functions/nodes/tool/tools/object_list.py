"""`object.list`: the files of the project's object store."""

from typing import Any

from pydantic import Field

from functions.nodes.tool.objects import Key, place_of, store_of
from functions.nodes.tool.registry import Arguments, Tool, ToolContext
from shared.clock import iso
from shared.errors import NodeStoreUnavailable, StoreUnavailable


class ListArguments(Arguments):
    prefix: Key | None = Field(default=None, description="A folder: `reports` lists `reports/2026-11.csv`.")
    limit: int = Field(default=1_000, ge=1, le=10_000)


async def run(arguments: ListArguments, context: ToolContext) -> dict[str, Any]:
    """`{objects: [{key, bytes, modified_at}], truncated}`, by key."""
    root = place_of(context, "")
    folder = root + (arguments.prefix or "")
    try:
        found = await store_of(context).list(folder.rstrip("/"), arguments.limit + 1)
    except StoreUnavailable as error:
        raise NodeStoreUnavailable(error.message) from None
    objects = [
        {"key": each.key.removeprefix(root), "bytes": each.bytes, "modified_at": iso(each.modified_at)}
        for each in found[: arguments.limit]
    ]
    return {"objects": objects, "truncated": len(found) > arguments.limit}


TOOL = Tool(
    name="object.list",
    summary="Lists the files of the project's object store.",
    arguments=ListArguments,
    run=run,
    raises=("NodeConfigInvalid", "NodeStoreUnavailable"),
)

"""`object.get`: a file of the project's object store."""

from base64 import b64encode
from typing import Any

from pydantic import Field

from functions.nodes.tool.objects import Key, place_of, store_of
from functions.nodes.tool.registry import Arguments, Tool, ToolContext
from shared.errors import NodeStoreUnavailable, StoreUnavailable


class GetArguments(Arguments):
    key: Key = Field(examples=["reports/2026-11.csv"])


async def run(arguments: GetArguments, context: ToolContext) -> dict[str, Any]:
    """`{found, content, encoding}`: what is not UTF-8 comes as base64; `found` is false where there is nothing."""
    try:
        data = await store_of(context).get(place_of(context, arguments.key))
    except StoreUnavailable as error:
        raise NodeStoreUnavailable(error.message) from None
    if data is None:
        return {"found": False, "content": None, "encoding": None}
    try:
        return {"found": True, "content": data.decode(), "encoding": "text"}
    except UnicodeDecodeError:
        return {"found": True, "content": b64encode(data).decode(), "encoding": "base64"}


TOOL = Tool(
    name="object.get",
    summary="Gives a file of the project's object store.",
    arguments=GetArguments,
    run=run,
    raises=("NodeConfigInvalid", "NodeStoreUnavailable"),
)

"""`object.put`: keeps a file in the project's object store, in place of an earlier one of its key."""

import binascii
from base64 import b64decode
from typing import Any, Literal

from pydantic import Field

from functions.nodes.tool.objects import MAX_OBJECT_BYTES, Key, place_of, store_of
from functions.nodes.tool.registry import Arguments, Tool, ToolContext
from shared.errors import NodeConfigInvalid, NodeStoreUnavailable, StoreUnavailable


class PutArguments(Arguments):
    key: Key = Field(examples=["reports/2026-11.csv"])
    content: str = Field(max_length=2 * MAX_OBJECT_BYTES)
    encoding: Literal["text", "base64"] = Field(default="text", description="How `content` is written.")


async def run(arguments: PutArguments, context: ToolContext) -> dict[str, Any]:
    """`{key, bytes}`."""
    data = _decoded(arguments)
    if len(data) > MAX_OBJECT_BYTES:
        raise NodeConfigInvalid(f"The content has {len(data)} bytes; {MAX_OBJECT_BYTES} are allowed.")
    try:
        await store_of(context).put(place_of(context, arguments.key), data)
    except StoreUnavailable as error:
        raise NodeStoreUnavailable(error.message) from None
    return {"key": arguments.key, "bytes": len(data)}


def _decoded(arguments: PutArguments) -> bytes:
    if arguments.encoding == "text":
        return arguments.content.encode()
    try:
        return b64decode(arguments.content, validate=True)
    except (binascii.Error, ValueError):
        raise NodeConfigInvalid("`content` is not base64; set `encoding: text` where it is text.") from None


TOOL = Tool(
    name="object.put",
    summary="Keeps a file in the project's object store.",
    arguments=PutArguments,
    run=run,
    raises=("NodeConfigInvalid", "NodeStoreUnavailable"),
)

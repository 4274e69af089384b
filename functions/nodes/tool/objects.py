"""What the tools of objects have in common: where the objects of a project are, and keys that stay there."""

from typing import Annotated

from pydantic import StringConstraints

from functions.nodes.tool.registry import ToolContext
from shared.errors import NodeConfigInvalid, NodeStoreUnavailable
from shared.ports import BlobStore
from shared.workflow.objects import KEY_PATTERN, MAX_KEY_LENGTH, object_place

Key = Annotated[str, StringConstraints(pattern=KEY_PATTERN)]

MAX_OBJECT_BYTES = 10_000_000


def store_of(context: ToolContext) -> BlobStore:
    """Raises NodeStoreUnavailable where there is none."""
    if context.services.objects is None:
        raise NodeStoreUnavailable("This stage has no object store.")
    return context.services.objects


def place_of(context: ToolContext, key: str) -> str:
    """Where the object is. Raises NodeConfigInvalid."""
    if len(key) > MAX_KEY_LENGTH:
        raise NodeConfigInvalid(f"The key has {len(key)} characters; {MAX_KEY_LENGTH} are allowed.")
    return object_place(context.call.execution.project_id, key)

"""What the tools of objects have in common: where the objects of a project are, and keys that stay there."""

from typing import Annotated

from pydantic import StringConstraints

from functions.nodes.tool.registry import ToolContext
from shared.errors import NodeConfigInvalid, NodeStoreUnavailable
from shared.ports import BlobStore

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$")]
"""Segments of letters, digits, `_`, `.` and `-`, none of which begins with a dot."""

MAX_OBJECT_BYTES = 10_000_000


def store_of(context: ToolContext) -> BlobStore:
    """Raises NodeStoreUnavailable where there is none."""
    if context.services.objects is None:
        raise NodeStoreUnavailable("This stage has no object store.")
    return context.services.objects


def place_of(context: ToolContext, key: str) -> str:
    """Where the object is: apart from those of other projects, and from claim checks. Raises NodeConfigInvalid."""
    longest = 500
    if len(key) > longest:
        raise NodeConfigInvalid(f"The key has {len(key)} characters; {longest} are allowed.")
    return f"objects/{context.call.execution.project_id}/{key}"

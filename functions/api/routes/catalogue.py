"""What workflows can be made of."""

from fastapi import APIRouter

from functions.api.access import requires
from functions.api.errors import documented
from functions.api.models.common import Listed
from shared.workflow.node_catalogue import NodeType, node_types
from shared.workflow.tool_catalogue import ToolSpec, tool_specs

router = APIRouter(prefix="/api", tags=["catalogue"])


@router.get("/tools", dependencies=[requires("catalogue:read")], responses=documented())
async def list_tools() -> Listed[ToolSpec]:
    """The registered tools, with the JSON Schema of what each takes: for `tool` nodes and for agents."""
    return Listed(items=list(tool_specs().values()), next_cursor=None)


@router.get("/node-types", dependencies=[requires("catalogue:read")], responses=documented())
async def list_node_types() -> Listed[NodeType]:
    """What a workflow's nodes can be, each with the JSON Schema of a node of this type."""
    return Listed(items=list(node_types().values()), next_cursor=None)

"""What workflows can be made of."""

from fastapi import APIRouter

from functions.api.access import requires
from functions.api.errors import documented
from functions.api.models.common import Listed
from shared.workflow.tool_catalogue import ToolSpec, tool_specs

router = APIRouter(prefix="/api", tags=["catalogue"])


@router.get("/tools", dependencies=[requires("catalogue:read")], responses=documented())
async def list_tools() -> Listed[ToolSpec]:
    """The registered tools, with the JSON Schema of what each takes: for `tool` nodes and for agents."""
    return Listed(items=list(tool_specs().values()), next_cursor=None)

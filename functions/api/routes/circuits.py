"""Circuit breakers: destinations that failed lately, and whether they are left alone."""

from typing import Annotated

from fastapi import APIRouter, Path

from functions.api.access import requires
from functions.api.deps import Wired
from functions.api.errors import documented
from functions.api.models.circuits import CircuitOut
from functions.api.models.common import Listed
from shared.errors import NotFound

router = APIRouter(prefix="/api/circuits", tags=["circuits"])

Destination = Annotated[str, Path(max_length=300, examples=["api.example.com:443"])]


@router.get("", dependencies=[requires("connections:read")], responses=documented())
async def list_circuits(deps: Wired) -> Listed[CircuitOut]:
    """Destinations with failures. Those that are not listed work, or nobody asked them lately."""
    found = await deps.circuits.list(deps.project_id)
    return Listed(items=[CircuitOut.of(each) for each in found], next_cursor=None)


@router.delete(
    "/{destination}", status_code=204, dependencies=[requires("connections:write")], responses=documented(404)
)
async def close_circuit(destination: Destination, deps: Wired) -> None:
    """Closes a circuit at once, for who knows that the destination works again."""
    if not await deps.circuits.reset(deps.project_id, destination):
        raise NotFound(f"'{destination[:100]}' has no failures. GET /api/circuits lists the destinations that have.")

"""Other products' workflows as definitions."""

from typing import Any

from fastapi import APIRouter, Request

from functions.api.access import requires
from functions.api.errors import documented
from functions.api.models.imports import N8N_EXAMPLE, ImportedOut
from functions.api.requests import JsonRoute, read_document

router = APIRouter(prefix="/api/workflows/import", tags=["workflows"], route_class=JsonRoute)

_EXPORT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}, "example": N8N_EXAMPLE}},
    }
}


@router.post(
    "/n8n", dependencies=[requires("workflows:read")], responses=documented(400, 413, 415), openapi_extra=_EXPORT
)
async def import_n8n_workflow(request: Request) -> ImportedOut:
    """Translates an n8n export, without storing it. The report says what a person has to do before it is published."""
    # Not on top: it brings a JavaScript parser along, which no other request needs.
    from statemachines.importers.n8n import import_n8n  # noqa: PLC0415

    return ImportedOut.model_validate(import_n8n(await read_document(request)))

"""Reading requests: strict JSON, ids in paths, definitions as JSON or YAML."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import orjson
from fastapi import Path, Query, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from functions.api.deps import Deps
from shared.errors import Gone, NotFound
from shared.ids import is_id
from shared.workflow.load import load_text
from shared.workflow.records import Workflow, WorkflowStatus

Limit = Annotated[int, Query(ge=1, le=200, description="Items on a page.")]
Cursor = Annotated[str | None, Query(max_length=1_000, description="`next_cursor` of the page before.")]
Id = Annotated[str, Path(description="A UUID.", examples=["01923e5a-7c1f-7d2e-9a4b-3f1c5d7e9b02"])]

_YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")


class JsonRequest(Request):
    """Parses JSON by RFC 8259: no NaN, no lone surrogates."""

    async def json(self) -> Any:
        return orjson.loads(await self.body())


class JsonRoute(APIRoute):
    """A route whose body is read by JsonRequest."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(JsonRequest(request.scope, request.receive))

        return handle


async def read_document(request: Request) -> Any:
    """The body of a request whose content type says JSON or YAML (`application/yaml`, RFC 9512).

    Raises:
        MalformedRequest: it is not what its content type says.
        HTTPException: 415, the content type is another one.
    """
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type in _YAML_TYPES or media_type.endswith("+yaml"):
        return load_text(await request.body(), "yaml")
    if media_type == "application/json" or media_type.endswith("+json"):
        return load_text(await request.body(), "json")
    raise HTTPException(
        415, f"A workflow cannot be read from '{media_type[:100]}'. Allowed: application/json, application/yaml."
    )


def checked_id(what: str, text: str) -> str:
    """`text` where it is an id. Raises NotFound, because nothing else can have been stored."""
    if not is_id(text):
        raise NotFound(f"There is no {what} '{text[:64]}'; ids are UUIDs.")
    return text


async def workflow_of(deps: Deps, workflow_id: str) -> Workflow:
    """The workflow. Raises NotFound, or Gone where it was deleted."""
    workflow = await deps.workflows.get(deps.project_id, checked_id("workflow", workflow_id))
    if workflow is None:
        raise NotFound(f"There is no workflow '{workflow_id}'. GET /api/workflows lists those that are.")
    if workflow.status == WorkflowStatus.DELETED:
        raise Gone(f"The workflow '{workflow.name}' was deleted. Its executions can still be read.")
    return workflow

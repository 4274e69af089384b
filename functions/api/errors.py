"""Errors of the REST API: the framework's own made into problem documents, and what OpenAPI says of them all.

Which status an error becomes is in shared/adapters/asgi/problems.py, which the webhook receiver shares.
"""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from shared.adapters.asgi.problems import MEDIA_TYPE, on_http_error, on_millrace_error, problem, status_of
from shared.errors import Diagnostic, InvalidParameter, MalformedRequest, MillraceError

_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_WORDS = {
    400: "The body or a header is malformed.",
    401: "No credentials, or none that are valid.",
    403: "The caller lacks the permission, or a page of another origin tries to change something.",
    404: "No such resource.",
    409: "The resource's state does not allow it.",
    410: "The workflow was deleted.",
    413: "The body is larger than the limit.",
    415: "The content type is not taken in.",
    422: "The document, the input or a parameter has mistakes; `diagnostics` lists them all.",
    429: "Too often; `Retry-After` says when to come back.",
    501: "Designed, not built yet.",
    503: "A store cannot be reached; try again.",
}


def register(app: FastAPI) -> None:
    """Makes every error of `app` a problem document."""
    app.add_exception_handler(MillraceError, on_millrace_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: these error statuses, 422, and 503, which every route may answer."""
    return {status: {"description": _WORDS[status], "content": _PROBLEM} for status in sorted({*statuses, 422, 503})}


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    """A parameter or a body that does not fit the route; malformed JSON is 400, the rest is 422."""
    if not isinstance(error, RequestValidationError):  # registered for it only
        raise error
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        words = "; ".join(f"{each['ctx']['error']} (character {each['loc'][-1]})" for each in found)
        detail = f"The body is not valid JSON: {words}. Send one JSON document in UTF-8."
        return problem(request.scope, HTTPStatus.BAD_REQUEST, MalformedRequest.code, detail)
    diagnostics = [_diagnostic(each).as_dict() for each in found]
    detail = "; ".join(f"{each['path']}: {each['message']}" for each in diagnostics)
    status = status_of(InvalidParameter)
    return problem(request.scope, status, InvalidParameter.code, detail, diagnostics=diagnostics)


def _diagnostic(error: dict[str, Any]) -> Diagnostic:
    """A mistake that pydantic found, in our words; its `input` may hold a secret and stays out."""
    place, *steps = error["loc"]
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
    return Diagnostic(code=f"request.{error['type']}", path=path or str(place), message=error["msg"])

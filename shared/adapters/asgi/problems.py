"""Errors as HTTP: the one map from an error's class to a status, and problem documents (RFC 9457).

A problem document never holds a stack trace or the words of an exception that is not ours: those are in the log, under
the same correlation id.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from shared import errors

PROBLEM_TYPE = "https://millrace.dev/errors/"
MEDIA_TYPE = "application/problem+json"

STATUSES: dict[type[errors.MillraceError], int] = {
    errors.MillraceError: 500,
    errors.RequestError: 400,
    errors.MalformedRequest: 400,
    errors.RequestTooLarge: 413,
    errors.Unauthenticated: 401,
    errors.PermissionMissing: 403,
    errors.AddressNotAllowed: 403,
    errors.NotFound: 404,
    errors.Gone: 410,
    errors.Conflict: 409,
    errors.TooManyRequests: 429,
    errors.FlowRateLimited: 429,
    errors.FlowExpressionFailed: 422,
    errors.InvalidDefinition: 422,
    errors.InvalidInput: 422,
    errors.InvalidPattern: 422,
    errors.InvalidParameter: 422,
    errors.NotImplementedYet: 501,
    errors.PlatformError: 500,
    errors.StoreUnavailable: 503,
}
"""A class that is not here has the status of its nearest ancestor."""

_HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": 'Signature realm="millrace"'},  # RFC 9110 §15.5.2 asks for a challenge
    429: {"Retry-After": "1"},
    503: {"Retry-After": "1"},
}
_FRAMEWORK_CODES = {
    403: "request.cross_origin",
    404: errors.NotFound.code,
    405: "request.method_not_allowed",
    413: errors.RequestTooLarge.code,
    415: "request.unsupported_media_type",
    421: "request.host_not_allowed",
}
INTERNAL_DETAIL = "Millrace failed to answer this request. The server's log has the reason under this correlation id."

log = logging.getLogger(__name__)


def status_of(error: type[errors.MillraceError]) -> int:
    """The HTTP status that an error of this class becomes."""
    return next(STATUSES[each] for each in error.__mro__ if each in STATUSES)


def problem(
    scope: Scope, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
) -> Response:
    """A problem document as a response; `members` with a value of None are left out."""
    document = {
        "type": PROBLEM_TYPE + code,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "instance": scope.get("path"),
        **{key: value for key, value in members.items() if value is not None},
        "correlation_id": correlation_id(scope),
    }
    content = orjson.dumps(document, default=str)
    return Response(content, status, {**_HEADERS.get(status, {}), **(headers or {})}, MEDIA_TYPE)


def correlation_id(scope: Scope) -> str | None:
    """The correlation id that the middleware gave to this request."""
    value = scope.get("state", {}).get("correlation_id")
    return str(value) if value is not None else None


async def on_millrace_error(request: Request, error: Exception) -> Response:
    """The answer to any of our own errors."""
    if not isinstance(error, errors.MillraceError):  # registered for MillraceError only
        raise error
    status = status_of(type(error))
    if not isinstance(error, errors.RequestError):
        log.error("request failed: %s", error.message, exc_info=error)
    found = [each.as_dict() for each in getattr(error, "diagnostics", ())] or None
    detail = error.message if status != HTTPStatus.INTERNAL_SERVER_ERROR else INTERNAL_DETAIL
    after = error.details.get("retry_after_seconds")
    headers = {"Retry-After": str(after)} if after is not None else {}
    if isinstance(error, errors.Unauthenticated) and not isinstance(error, errors.SignatureInvalid):
        headers["WWW-Authenticate"] = 'Bearer realm="millrace"'
    members = {"diagnostics": found, "details": error.details or None}
    return problem(request.scope, status, error.code, detail, headers=headers, **members)


async def on_http_error(request: Request, error: Exception) -> Response:
    """The answer to an error of the framework: no such route, a method that a route does not have, and so on."""
    if not isinstance(error, HTTPException):
        raise error
    status = error.status_code
    code = _FRAMEWORK_CODES.get(status, "request.invalid" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "internal")
    return problem(request.scope, status, code, _words(request, error), headers=error.headers)


def _words(request: Request, error: HTTPException) -> str:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return f"There is nothing at {request.url.path}. The API's paths are listed at /docs."
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "another method")
        return f"{request.method} is not allowed at {request.url.path}. Allowed: {allowed}."
    return error.detail

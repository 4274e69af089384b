"""The Lambda behind `/webhooks/*` of the API Gateway."""

from functools import cache
from typing import Any

from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from functions.webhook.app import create_app
from functions.webhook.deps import from_environment
from shared.adapters.telemetry.observed import observed

TEXTS = [*DEFAULT_TEXT_MIME_TYPES, "application/problem+json"]
"""Anything else goes to API Gateway in base64, and reaches the caller so."""


@cache
def _adapter() -> Mangum:
    """Built on the first request, and kept for the life of the Lambda's environment."""
    return Mangum(create_app(from_environment()), lifespan="off", text_mime_types=TEXTS)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One delivery as an API Gateway proxy event."""
    answer: dict[str, Any] = _adapter()(event, context)
    return answer

"""The Lambda behind `/api/*` of the API Gateway."""

from functools import cache
from typing import Any

from fastapi import FastAPI
from mangum import Mangum

from functions.api.app import over, routed
from functions.api.deps import from_environment
from shared.adapters.asgi.gateway import behind_gateway
from shared.adapters.aws.preload import preload
from shared.adapters.telemetry.observed import observed


@cache
def _routed() -> FastAPI:
    return routed()


@cache
def _adapter() -> Mangum:
    """Built on the first request, and kept for the life of the Lambda's environment."""
    return behind_gateway(over(from_environment(), _routed()))


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One request as an API Gateway proxy event."""
    answer: dict[str, Any] = _adapter()(event, context)
    return answer


preload("functions.api.aws", _routed, clients=("secretsmanager", "stepfunctions", "sqs"))

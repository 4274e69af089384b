"""The Lambda behind `/webhooks/*` of the API Gateway."""

from functools import cache
from typing import Any

from mangum import Mangum

from functions.webhook.app import create_app
from functions.webhook.deps import from_environment
from shared.adapters.asgi.gateway import behind_gateway
from shared.adapters.aws.preload import preload
from shared.adapters.telemetry.observed import observed


@cache
def _adapter() -> Mangum:
    """Built on the first request, and kept for the life of the Lambda's environment."""
    return behind_gateway(create_app(from_environment()))


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One delivery as an API Gateway proxy event."""
    answer: dict[str, Any] = _adapter()(event, context)
    return answer


preload("functions.webhook.aws", clients=("secretsmanager", "sqs"))

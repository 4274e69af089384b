"""A webhook's test URL: a delivery passes the same checks and starts nothing; what it would have done is kept."""

from typing import Any

import orjson
from starlette.responses import Response

from functions.webhook.deps import Deps
from shared.errors import RequestError
from shared.executions.validation import check_input
from shared.ids import new_id
from shared.triggers.records import WebhookTarget
from shared.triggers.reshaping import reshaped
from shared.triggers.samples import Outcome, WebhookSample
from shared.triggers.webhook import WebhookTriggerConfig


async def captured(deps: Deps, target: WebhookTarget, config: WebhookTriggerConfig, delivery: Any) -> Response:
    """Keeps the sample, and says what would have happened. Raises StoreUnavailable."""
    problem, made = None, None
    outcome: Outcome = "starts"
    try:
        if config.filter is not None and await reshaped("filter", config.filter, delivery) is not True:
            outcome = "ignored"
        else:
            made = delivery if config.transform is None else await reshaped("transform", config.transform, delivery)
            check_input(target.input_schema, made, len(orjson.dumps(made)))
    except RequestError as error:
        outcome, problem = "refused", {"code": error.code, "detail": error.message}
    registration = target.registration
    sample = WebhookSample(
        id=new_id(),
        project_id=registration.project_id,
        trigger_id=registration.trigger_id,
        received_at=deps.clock.now(),
        delivery=delivery,
        outcome=outcome,
        input=made,
        problem=problem,
    )
    await deps.samples.keep(sample)
    told = {"captured": True, "sample_id": sample.id, "outcome": outcome}
    return Response(orjson.dumps(told), 200, media_type="application/json")

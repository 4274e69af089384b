"""The Lambda that the machine of bulk runs calls; see events/bulk-step.json for what it is sent."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from functions.bulk.core import BulkStep, Deps, step
from shared.adapters.aws.loop import run
from shared.adapters.aws.preload import preload
from shared.adapters.telemetry.observed import observed


@cache
def _deps() -> Deps:
    from functions.bulk.aws import from_environment  # noqa: PLC0415 - drivers, see preload below

    return from_environment()


@observed
def handler(event: dict[str, Any], context: object) -> Mapping[str, Any]:
    """One step of a bulk run; how it stands then."""
    del context
    return run(step(_deps(), BulkStep.model_validate(event)))


preload("functions.bulk.aws", clients=("secretsmanager", "stepfunctions", "s3", "sqs"))

"""The Lambda behind the custom resource that brings the schema up to the code on every deploy.

It answers CloudFormation itself: the CDK's own framework for that is a function in Node.js.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html

Invoked with `{"owner_key": "<name>"}` it migrates too, and makes an API key of the first user, with which an operator
begins.
"""

import asyncio
import json
import logging
import urllib.request
from typing import Any

from shared.adapters.aws.preload import preload
from shared.adapters.telemetry.observed import observed

RESOURCE_ID = "millrace-schema"

log = logging.getLogger(__name__)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, str] | None:
    """Create and Update migrate, Delete leaves the schema alone; CloudFormation is told how it went, whatever it is."""
    if "owner_key" in event:
        _migrate()
        return {"key": asyncio.run(_owner_key(str(event["owner_key"])))}
    try:
        if event["RequestType"] != "Delete":
            _migrate()
    except Exception as error:
        log.exception("the schema was not migrated")
        # The driver's words may name hosts and users; the log has them.
        reason = f"{type(error).__name__}; see the log stream {context.log_stream_name}"
        _answer(event, "FAILED", reason)
    else:
        _answer(event, "SUCCESS", "")
    return None


def _migrate() -> None:
    from functions import migrate  # noqa: PLC0415 - nothing of it is needed to answer
    from shared.adapters.aws.settings import stage  # noqa: PLC0415 - as above

    migrate.run(stage().settings.require_database_url())


async def _owner_key(name: str) -> str:
    from shared.adapters.aws.settings import stage  # noqa: PLC0415 - as above
    from shared.adapters.postgres.engine import create_engine  # noqa: PLC0415
    from shared.adapters.postgres.identity import PostgresKeys, PostgresMembers  # noqa: PLC0415
    from shared.clock import SystemClock  # noqa: PLC0415
    from shared.identity.owner import new_owner_key  # noqa: PLC0415

    engine = create_engine(stage().settings.require_database_url(), pool_size=1)
    try:
        return await new_owner_key(PostgresKeys(engine), PostgresMembers(engine), SystemClock(), name)
    finally:
        await engine.dispose()


def _answer(event: dict[str, Any], status: str, reason: str) -> None:
    fields = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    resource_id = event.get("PhysicalResourceId", RESOURCE_ID)
    answer = {**fields, "PhysicalResourceId": resource_id, "Status": status, "Reason": reason}
    # Signed for an empty content type; the address is CloudFormation's own.
    request = urllib.request.Request(  # noqa: S310 - as above
        event["ResponseURL"], json.dumps(answer).encode(), {"Content-Type": ""}, method="PUT"
    )
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310 - as above
        pass


preload("shared.adapters.aws.settings", "shared.adapters.postgres.engine", clients=("secretsmanager",))

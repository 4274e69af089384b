"""Starts the machines that repeat a function until its work is done; see shared/repeating.py."""

from typing import Any

import orjson
from botocore.exceptions import ClientError

from shared.adapters.aws.client import call, client, code_of
from shared.errors import StoreUnavailable


class Repeating:
    """One of the deployment's static machines."""

    def __init__(self, machine_arn: str) -> None:
        self._arn = machine_arn
        self._client = client("stepfunctions")

    async def start(self, id_: str, project_id: str, *, by: str = "", **more: Any) -> None:
        """Starts the work of this id. Again changes nothing, but under another `by` it is begun once more.

        Raises:
            StoreUnavailable: nothing was started, or it is not known; asking again is safe.
        """
        name = f"{id_}-{by}" if by else id_
        given = {"id": id_, "project_id": project_id, "idle": 0, **more, "name": name, "rounds": 0, "handed_over": 0}
        start = self._client.start_execution
        try:
            await call(start, stateMachineArn=self._arn, name=name, input=orjson.dumps(given).decode())
        except ClientError as error:
            if code_of(error) != "ExecutionAlreadyExists":
                raise StoreUnavailable(f"Step Functions starts nothing ({code_of(error)}). Try again.") from error

"""What machines tell of their executions: a log in AWS's shape; and of EXPRESS executions no event of EventBridge.

LocalStack writes times as text of ISO 8601, leaves out `redrive_count`, and `details` where there are none; and it
publishes the status changes of EXPRESS executions, too.
Sources: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html,
https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
"""

from typing import Any

from localstack.aws.api.logs import InputLogEvent
from localstack.aws.api.stepfunctions import StateMachineType
from localstack.runtime import hooks
from localstack.services.stepfunctions.asl.eval.event.logging import CloudWatchLoggingSession
from localstack.services.stepfunctions.asl.utils.encoding import to_json_str
from localstack.services.stepfunctions.backend.execution import Execution

_publish_change = Execution.publish_execution_status_change_event


def _publish_log(self: Any, history_log: dict[str, Any]) -> None:
    at = int(history_log["event_timestamp"].timestamp() * 1_000)
    line = {"details": {}, **history_log, "event_timestamp": str(at), "redrive_count": "0"}
    self._publish_history_log_or_setup(log_events=[InputLogEvent(timestamp=at, message=to_json_str(line))])


def _publish_change_of_standard_ones(self: Any) -> None:
    if self.sm_type != StateMachineType.EXPRESS:
        _publish_change(self)


@hooks.on_infra_start()
def tell_of_executions_as_aws_does() -> None:
    """Before the first state machine runs."""
    CloudWatchLoggingSession.publish_history_log = _publish_log
    Execution.publish_execution_status_change_event = _publish_change_of_standard_ones

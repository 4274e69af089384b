"""Quotas of Step Functions that a definition must keep, and where each is written."""

MAX_DEFINITION_BYTES = 1_048_576
"""1 MB, https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html#service-limits-state-machine-executions"""

MAX_STATE_NAME_CHARACTERS = 80
"""https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html; unique in the whole machine"""

MAX_VARIABLE_NAME_CHARACTERS = 80
"""https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html"""

MAX_INLINE_MAP_CONCURRENCY = 40
"""https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html"""

MAX_DISTRIBUTED_MAP_CONCURRENCY = 1_000
"""What one process runs side by side; Step Functions allows 10,000 child executions,
https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html"""

MAX_HISTORY_EVENTS = 25_000
"""Of one standard execution, https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""

MAX_PAYLOAD_BYTES = 262_144
"""256 KiB, as UTF-8: a state's input, output or arguments, and all variables that one state assigns,
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html#service-limits-task-executions"""

MAX_VARIABLES_BYTES = 10 * 1024 * 1024
"""All variables of one execution, https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html"""

MAX_WAIT_SECONDS = 99_999_999
"""https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html"""

MAX_RETRY_DELAY_SECONDS = 31_622_399
"""MaxDelaySeconds stays below 31622400, https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html"""

MAX_EXPRESS_SECONDS = 300
"""Five minutes, https://docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html"""

MAX_NESTED_SCOPES = 40
"""Parallel and Map states within one another. Not a quota of AWS: JSON parsers on the way refuse deeper documents."""

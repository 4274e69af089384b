"""Errors of branches and iterations: those that Step Functions itself reports keep their names.

LocalStack takes every name for an author's, refuses those that begin with `States.`, and ends the whole execution with
`States.Runtime` where AWS lets the Parallel or the Map catch them.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from localstack.runtime import hooks
from localstack.services.stepfunctions.asl.component.common.error_name.custom_error_name import CustomErrorName
from localstack.services.stepfunctions.asl.component.common.error_name.error_name import ErrorName
from localstack.services.stepfunctions.asl.component.common.error_name.states_error_name import StatesErrorName
from localstack.services.stepfunctions.asl.component.state.state_execution.state_map.iteration import iteration_worker
from localstack.services.stepfunctions.asl.component.state.state_execution.state_parallel import branches_decl


def _named(error_name: str | None) -> ErrorName:
    if error_name is not None and error_name.startswith("States."):
        return StatesErrorName.from_name(error_name)
    return CustomErrorName(error_name)


@hooks.on_infra_start()
def keep_names_of_errors() -> None:
    """Before the first state machine runs."""
    branches_decl.CustomErrorName = _named
    iteration_worker.CustomErrorName = _named

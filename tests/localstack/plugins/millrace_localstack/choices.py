"""Choice states of Step Functions: `Assign` and `Output` beside the rules are for the default only.

LocalStack evaluates them also where a rule leads to the state that is the default's next one, after the rule's own.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html
"""

from typing import Any

from localstack.runtime import hooks
from localstack.services.stepfunctions.asl.component.state.state_choice.state_choice import StateChoice
from localstack.services.stepfunctions.asl.eval.environment import Environment

_output = StateChoice._eval_state_output


class _Chosen(str):
    """The name of a state that a rule leads to."""

    __slots__ = ()


def _eval_state(self: Any, env: Environment) -> None:
    for rule in self.choices_decl.rules:
        rule.eval(env)
        if env.stack.pop() is True:
            env.stack.append(_Chosen(rule.next_stmt.name))
            return
    if self.default_state is None:
        raise RuntimeError(f"No branching option reached in state {self.name}")
    env.stack.append(self.default_state.state_name)


def _eval_state_output(self: Any, env: Environment) -> None:
    if isinstance(env.stack[-1], _Chosen) and not self._is_language_query_jsonpath():
        env.next_state_name = str(env.stack.pop())
    else:
        _output(self, env)


@hooks.on_infra_start()
def use_default_for_the_default_only() -> None:
    """Corrects Choice states before the first one runs."""
    StateChoice._eval_state = _eval_state
    StateChoice._eval_state_output = _eval_state_output

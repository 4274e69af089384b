"""JSONata of Step Functions by jlens, where LocalStack would download a JRE and a jar.

LocalStack writes variables as JSONata text in front of the expression. Here they are bound as values instead, which
spares parsing them and gets strings with quotes in them right. Two more things are as AWS has them and LocalStack has
not: an expression that fails is a `States.QueryEvaluationError`, and `$hash` and `$uuid` work.

The functions are written out here a second time, on purpose: what the local stage says is compared with what this says.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

import hashlib
import json
import random
import uuid
from functools import lru_cache
from typing import Any

from jlens import Expression, JlensError
from localstack.aws.api.stepfunctions import EvaluationFailedEventDetails, HistoryEventType
from localstack.runtime import hooks
from localstack.services.stepfunctions.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from localstack.services.stepfunctions.asl.component.common.error_name.states_error_name import StatesErrorName
from localstack.services.stepfunctions.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from localstack.services.stepfunctions.asl.component.common.string import string_expression
from localstack.services.stepfunctions.asl.eval import variable_store
from localstack.services.stepfunctions.asl.eval.environment import Environment
from localstack.services.stepfunctions.asl.eval.event.event_detail import EventDetails
from localstack.services.stepfunctions.asl.utils.encoding import to_json_str

_LIMITS = {"max_depth": 500, "max_steps": 5_000_000, "max_result_size": 8 * 1024 * 1024}
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


def _partition(array: Any = None, size: Any = None) -> list[list[Any]]:
    step = int(size)
    if not isinstance(array, list) or step < 1:
        raise ValueError("$partition takes an array and a chunk size of at least 1.")
    return [array[start : start + step] for start in range(0, len(array), step)]


def _range(start: Any = None, end: Any = None, step: Any = None) -> Any:
    first, last, delta = int(start), int(end), int(step)
    found = list(range(first, last + (1 if delta > 0 else -1), delta))
    if not found:
        raise ValueError("$range has no items.")
    return found if len(found) > 1 else found[0]


def _hash(text: Any = None, algorithm: Any = None) -> str:
    if not isinstance(text, str) or algorithm not in _ALGORITHMS:
        raise ValueError(f"$hash takes a string and one of {', '.join(_ALGORITHMS)}.")
    return hashlib.new(_ALGORITHMS[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def _random(seed: Any = None) -> float:
    return random.random() if seed is None else random.Random(int(seed)).random()


FUNCTIONS = {
    "partition": _partition,
    "range": _range,
    "hash": _hash,
    "random": _random,
    "uuid": lambda: str(uuid.uuid4()),
    "parse": lambda text=None: json.loads(text),
}


class Undefined(Exception):
    """The expression yields nothing."""


@lru_cache(maxsize=4096)
def _compiled(source: str) -> tuple[Expression, frozenset[str]]:
    engine = Expression(source)
    return engine, frozenset(engine.reads().get("bindings", {}))


def evaluate(source: str, variables: dict[str, Any]) -> Any:
    """The value of an expression.

    Raises:
        Undefined: it yields nothing.
        JlensError, ValueError, TypeError: it fails.
    """
    engine, reads = _compiled(source)
    bindings = {name: function for name, function in FUNCTIONS.items() if f"${name}" in source}
    bindings |= {name: value for name, value in variables.items() if name in reads}
    value = engine.evaluate(None, bindings, **_LIMITS)
    if value is None and not _compiled(f"$exists(({source}\n))")[0].evaluate(None, bindings, **_LIMITS):
        raise Undefined
    return value


def _eval_body(self: Any, env: Environment) -> None:
    """Stands in for the method of LocalStack's string expressions: puts the value on the stack."""
    store = env.variable_store
    states = json.loads(to_json_str(env.states._states_data))
    variables = {**store._outer_scope, **store._inner_scope, "states": states}
    try:
        env.stack.append(evaluate(self.expression, variables))
    except Undefined:
        _fail(env, f"The JSONata expression '{self.expression}' returned nothing (undefined).")
    except (JlensError, ValueError, TypeError) as error:
        _fail(env, f"The JSONata expression '{self.expression}' threw an error during evaluation. {error}")


def _fail(env: Environment, cause: str) -> None:
    name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
    details = EventDetails(
        evaluationFailedEventDetails=EvaluationFailedEventDetails(cause=cause, error=name.error_name)
    )
    kind = HistoryEventType.EvaluationFailed
    env.event_manager.add_event(context=env.event_history_context, event_type=kind, event_details=details)
    raise FailureEventException(FailureEvent(env=env, error_name=name, event_type=kind, event_details=details))


def _assigned_variables(self: Any) -> dict[str, str]:
    """The values assigned by a state, as JSON text: LocalStack's own leaves quotes in strings as they are."""
    return {name: to_json_str(self.get(name), separators=(",", ":")) for name in self._declaration_tracing}


@hooks.on_infra_start()
def use_jlens() -> None:
    """Puts jlens in the place of the JVM, before the first state machine is parsed."""
    string_expression.StringJSONata._eval_body = _eval_body
    variable_store.VariableStore.get_assigned_variables = _assigned_variables

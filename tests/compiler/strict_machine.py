"""A small, strict evaluator of the ASL that the compiler emits, independent of Millrace's interpreter.

It is stricter than Step Functions: naming a variable that was never assigned fails a test even in a branch of an
expression that is not taken, and a variable assigned both outside and inside a Parallel is refused before anything
runs. Branches run one after another; that changes no result, since branches share nothing.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from shared.workflow.expressions import HOST_FUNCTIONS, ExpressionError, compiled, source_of
from statemachines.asl.limits import MAX_STATE_NAME_CHARACTERS, MAX_VARIABLE_NAME_CHARACTERS

MAX_STEPS = 100_000


def _hash(text: str, algorithm: str) -> str:
    return hashlib.new(algorithm.replace("-", ""), text.encode()).hexdigest()


class StateError(Exception):
    """A failure that `Catch` can take."""

    def __init__(self, error: str, cause: str | None = None) -> None:
        super().__init__(error)
        self.error, self.cause = error, cause


def check(machine: dict[str, Any]) -> None:
    """Rules that Step Functions checks when a machine is created."""
    names: set[str] = set()
    _check_scope(machine, names, frozenset())


def _check_scope(machine: dict[str, Any], names: set[str], outer: frozenset[str]) -> None:
    states = machine["States"]
    assigned = {name for state in states.values() for each in _exits(state) for name in each.get("Assign", {})}
    assert not assigned & outer, f"assigned inside and outside: {assigned & outer}"
    assert all(len(name) <= MAX_VARIABLE_NAME_CHARACTERS and name.isidentifier() for name in assigned)
    reached, waiting = set(), [machine["StartAt"]]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        state = states[name]
        waiting += [each["Next"] for each in _exits(state) if "Next" in each]
        waiting += [state["Default"]] if "Default" in state else []
        assert state["Type"] in ("Choice", "Succeed", "Fail") or ("Next" in state) != ("End" in state), name
        for inner in [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]:
            _check_scope(inner, names, outer | assigned)
    assert reached == set(states), f"unreachable: {set(states) - reached}"
    for name in states:
        assert name not in names, f"state name twice: {name}"
        assert len(name) <= MAX_STATE_NAME_CHARACTERS
        names.add(name)


def _exits(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [state, *state.get("Choices", []), *state.get("Catch", [])]


class Machine:
    """Runs a machine; `task` does the work of Task states: arguments in, result out, or StateError."""

    def __init__(self, asl: dict[str, Any], task: Callable[[dict[str, Any]], Any]) -> None:
        check(asl)
        self.asl = asl
        self.task = task
        self.entered: list[str] = []
        self.token: str | None = None
        """What Tasks read as their token."""

    def run(self, machine_input: Any) -> Any:
        self.context = {"Execution": {"Input": machine_input}, "State": {"RetryCount": 0}}
        return self._scope(self.asl, machine_input, {}, {})

    def _scope(self, machine: dict[str, Any], value: Any, outer: dict[str, Any], item: dict[str, Any]) -> Any:
        variables: dict[str, Any] = {}
        name: str | None = machine["StartAt"]
        while name is not None:
            assert len(self.entered) < MAX_STEPS, "endless"
            self.entered.append(name)
            value, name = self._state(machine["States"][name], value, outer, variables, item)
        return value

    def _state(
        self, state: dict[str, Any], value: Any, outer: dict[str, Any], variables: dict[str, Any], item: dict[str, Any]
    ) -> tuple[Any, str | None]:
        scope = {**outer, **variables}
        token = {"Task": {"Token": self.token}} if self.token is not None else {}
        states = {"input": value, "context": {**self.context, **item, **token}}
        try:
            result, leave = self._tried(state, states, scope)
            if result is not None:
                states = {**states, "result": result[0]}
            return self._leave(leave, states, scope, variables, result[0] if result else value)
        except StateError as error:
            for catcher in state.get("Catch", []) if error.error != "States.Runtime" else []:
                if "States.ALL" in catcher["ErrorEquals"] or error.error in catcher["ErrorEquals"]:
                    output = {"Error": error.error} | ({"Cause": error.cause} if error.cause is not None else {})
                    return self._leave(catcher, {**states, "errorOutput": output}, scope, variables, output)
            raise

    def _tried(self, state: dict[str, Any], states: Any, scope: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The state's work, as often as its one retrier allows."""
        retrier = state.get("Retry", [{"ErrorEquals": [], "MaxAttempts": 0}])[0]
        attempt = 0
        while True:
            context = {**states["context"], "State": {"RetryCount": attempt}}
            try:
                return self._work(state, {**states, "context": context}, scope)
            except StateError as error:
                covered = error.error in retrier["ErrorEquals"] or "States.ALL" in retrier["ErrorEquals"]
                if attempt == retrier["MaxAttempts"] or not covered or error.error == "States.Runtime":
                    raise
                attempt += 1

    def _leave(
        self, leave: dict[str, Any], states: Any, scope: dict[str, Any], variables: dict[str, Any], output: Any
    ) -> tuple[Any, str | None]:
        assigned = self._value(leave.get("Assign", {}), states, scope)
        output = self._value(leave["Output"], states, scope) if "Output" in leave else output
        variables.update(assigned)
        return output, leave.get("Next")

    def _work(self, state: dict[str, Any], states: Any, scope: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """What the state's work gave (in a tuple; None for states without work), and the fields it leaves by."""
        kind = state["Type"]
        if kind == "Choice":
            return None, self._choose(state, states, scope)
        if kind == "Fail":
            raise StateError(state["Error"], state.get("Cause"))
        if kind == "Task":
            return (self.task(self._value(state["Arguments"], states, scope)),), state
        if kind == "Parallel":
            given = self._value(state["Arguments"], states, scope) if "Arguments" in state else states["input"]
            return ([self._scope(branch, given, scope, {}) for branch in state["Branches"]],), state
        if kind == "Map":
            return (self._map(state, states, scope),), state
        if kind == "Wait":
            self._value({key: state[key] for key in ("Seconds", "Timestamp") if key in state}, states, scope)
        return None, state

    def _map(self, state: dict[str, Any], states: Any, scope: dict[str, Any]) -> list[Any]:
        results: list[Any] = []
        items = self._value(state["Items"], states, scope)
        if not isinstance(items, list):
            raise StateError("States.QueryEvaluationError", "Items is no list")
        for index, item in enumerate(items):
            where = {"Map": {"Item": {"Index": index, "Value": item}}}
            selected = self._value(state["ItemSelector"], {**states, "context": {**states["context"], **where}}, scope)
            if state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "INLINE":
                results.append(self._scope(state["ItemProcessor"], selected, scope, where))
            else:
                results.append(self._child(state["ItemProcessor"], selected))
        return results

    def _child(self, machine: dict[str, Any], value: Any) -> Any:
        """An execution of its own: it sees no variable, and nothing of the execution that began it."""
        outside, self.context = self.context, {"Execution": {}, "State": {"RetryCount": 0}}
        try:
            return self._scope(machine, value, {}, {})
        finally:
            self.context = outside

    def _choose(self, state: dict[str, Any], states: Any, scope: dict[str, Any]) -> dict[str, Any]:
        for rule in state["Choices"]:
            taken = self._value(rule["Condition"], states, scope)
            assert isinstance(taken, bool), f"{rule['Condition']} gave {taken!r}"
            if taken:
                return rule
        if "Default" not in state:
            raise StateError("States.Runtime")
        return {"Next": state["Default"], **{key: state[key] for key in ("Assign", "Output") if key in state}}

    def _value(self, template: Any, states: Any, scope: dict[str, Any]) -> Any:
        if isinstance(template, dict):
            return {key: self._value(item, states, scope) for key, item in template.items()}
        if isinstance(template, list):
            return [self._value(item, states, scope) for item in template]
        source = source_of(template)
        if source is None:
            assert not isinstance(template, str) or not template.startswith("{%")
            return template
        expression = compiled(source)
        assert not expression.reads_context, f"{source} reads a context item, which Step Functions does not have"
        missing = expression.variables() - HOST_FUNCTIONS - {"states"} - scope.keys()
        assert not missing, f"{source} names {missing}, never assigned; there are {sorted(scope)}"
        try:
            return expression.evaluate({**scope, "states": states}, {"hash": _hash})
        except ExpressionError as error:
            raise StateError("States.QueryEvaluationError", error.message) from None

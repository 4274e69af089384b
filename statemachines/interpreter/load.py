"""From an ASL document to a `Machine`, with every mistake at once.

Places in messages are JSON pointers, as Step Functions gives them: `/States/Pay/Retry[0]/ErrorEquals`.
Sources: https://states-language.net/spec.html and
https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from shared.errors import Diagnostic, InvalidDefinition
from shared.workflow.expressions import ExpressionError
from statemachines.asl.limits import MAX_STATE_NAME_CHARACTERS
from statemachines.interpreter.fields import STATE_TYPES
from statemachines.interpreter.machine import Machine, State
from statemachines.interpreter.state_fields import StateLoader

_MACHINE_FIELDS = frozenset({"Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version"})
_BRANCH_FIELDS = frozenset({"Comment", "StartAt", "States", "ProcessorConfig"})


def load(asl: object) -> Machine:
    """See `Machine.load`."""
    loader = _Loader()
    machine = loader.document(asl)
    if loader.found:
        raise InvalidDefinition(loader.found)
    return machine


class _Loader(StateLoader):
    """Walks a document once, builds states, and gathers mistakes."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []
        self.names: dict[str, str] = {}
        self.jsonata = False

    def report(
        self, path: str, message: str, *, value: Any = None, allowed: Any = None, fix: str | None = None
    ) -> None:
        self.found.append(Diagnostic("asl.invalid", path, message, value=value, allowed=allowed, fix=fix))

    def report_expression(self, path: str, problem: ExpressionError | str, source: str) -> None:
        position = problem.position if isinstance(problem, ExpressionError) else None
        text = f"The expression '{source}' cannot be used: {problem}."
        self.found.append(Diagnostic("asl.expression", path, text, value=source, position=position))

    def document(self, asl: object) -> Machine:
        if not isinstance(asl, dict):
            self.report("", "A state machine is a JSON object.", value=type(asl).__name__)
            return Machine("", {})
        self.jsonata = asl.get("QueryLanguage") == "JSONata"
        if not self.jsonata and "QueryLanguage" in asl:
            self.query_language("/QueryLanguage", asl["QueryLanguage"])
        self.unknown_fields("", asl, _MACHINE_FIELDS)
        timeout = asl.get("TimeoutSeconds")
        if timeout is not None and (not isinstance(timeout, int) or isinstance(timeout, bool) or timeout < 1):
            self.report("/TimeoutSeconds", "TimeoutSeconds is a whole number of seconds from 1.", value=timeout)
        return self.machine("", asl, outer=frozenset(), timeout=timeout)

    def machine(
        self, path: str, asl: Mapping[str, Any], *, outer: frozenset[str], timeout: int | None = None
    ) -> Machine:
        states = asl.get("States")
        if not isinstance(states, dict) or not states:
            self.report(f"{path}/States", "States is an object with at least one state.", value=states)
            return Machine("", {}, timeout)
        start = asl.get("StartAt")
        if start not in states:
            self.report(f"{path}/StartAt", f"StartAt names no state of this machine: {start!r}.", allowed=list(states))
        inner = frozenset(name for state in states.values() for name in _assigned(state))
        for name in sorted(inner & outer):
            text = f"Variable '{name}' exists outside; a branch cannot assign it. Fix: use another name inside."
            self.report(f"{path}/States", text, value=name)
        loaded = {name: self.one(f"{path}/States/{name}", name, state, outer | inner) for name, state in states.items()}
        self.transitions(path, str(start), states)
        return Machine(str(start), loaded, timeout)

    def branch(self, path: str, asl: object, outer: frozenset[str]) -> Machine:
        if not isinstance(asl, dict):
            self.report(path, "A branch is an object with StartAt and States.", value=asl)
            return Machine("", {})
        self.unknown_fields(path, asl, _BRANCH_FIELDS)
        return self.machine(path, asl, outer=outer)

    def one(self, path: str, name: str, asl: object, variables: frozenset[str]) -> State:
        if len(name) > MAX_STATE_NAME_CHARACTERS:
            self.report(path, f"The state's name has {len(name)} characters; {MAX_STATE_NAME_CHARACTERS} are allowed.")
        if name in self.names:
            self.report(path, f"State '{name}' exists already at {self.names[name]}; names are unique in a machine.")
        self.names[name] = path
        if not isinstance(asl, dict) or asl.get("Type") not in STATE_TYPES:
            kind = asl.get("Type") if isinstance(asl, dict) else asl
            self.report(f"{path}/Type", f"There is no state type {kind!r}.", allowed=sorted(STATE_TYPES))
            return State(name, "Pass")
        return self.state(path, name, asl, variables)

    def transitions(self, path: str, start: str, states: Mapping[str, Any]) -> None:
        """Every target exists, and every state is one."""
        reached = {start}
        for name, state in states.items():
            for place, target in _targets(state):
                reached.add(str(target))
                if target not in states:
                    text = f"{place} names no state of this machine: {target!r}."
                    self.report(f"{path}/States/{name}/{place}", text, allowed=list(states))
        for name in states:
            if name not in reached:
                self.report(
                    f"{path}/States/{name}", f"State '{name}' is never reached.", fix="Lead to it or remove it."
                )


def _targets(state: object) -> Iterator[tuple[str, Any]]:
    """(place, state name) of each way out of a state."""
    if not isinstance(state, dict):
        return
    for place in ("Next", "Default"):
        if place in state:
            yield place, state[place]
    for group in ("Choices", "Catch"):
        entries = state.get(group)
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict) and "Next" in entry:
                yield f"{group}[{index}]/Next", entry["Next"]


def _assigned(state: object) -> Iterator[str]:
    """Names of the variables that a state assigns, by any of its ways out."""
    if not isinstance(state, dict):
        return
    groups = [state.get("Choices"), state.get("Catch")]
    for entry in [state, *(entry for group in groups if isinstance(group, list) for entry in group)]:
        if isinstance(entry, dict) and isinstance(entry.get("Assign"), dict):
            yield from entry["Assign"]

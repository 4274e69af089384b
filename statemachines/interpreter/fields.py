"""Fields of states: which each type may have, what they may hold, and what those become that several types share."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from shared.workflow.expressions import ExpressionError, source_of
from statemachines.asl.limits import MAX_RETRY_DELAY_SECONDS, MAX_VARIABLE_NAME_CHARACTERS
from statemachines.interpreter.failure import ALL
from statemachines.interpreter.machine import Amount, Catcher, Retrier
from statemachines.interpreter.template import Template, compile_template

_EVERY = frozenset({"Type", "Comment", "QueryLanguage"})
_STEP = frozenset({"Next", "End", "Assign", "Output"})
_GUARDED = frozenset({"Retry", "Catch"})
STATE_TYPES: Mapping[str, frozenset[str]] = {
    "Pass": _EVERY | _STEP,
    "Task": _EVERY | _STEP | _GUARDED | {"Resource", "Arguments", "TimeoutSeconds", "HeartbeatSeconds", "Credentials"},
    "Choice": _EVERY | {"Choices", "Default", "Assign", "Output"},
    "Wait": _EVERY | _STEP | {"Seconds", "Timestamp"},
    "Succeed": _EVERY | {"Output"},
    "Fail": _EVERY | {"Error", "Cause"},
    "Parallel": _EVERY | _STEP | _GUARDED | {"Branches", "Arguments"},
    "Map": _EVERY
    | _STEP
    | _GUARDED
    | {"Items", "ItemSelector", "ItemProcessor", "MaxConcurrency"}
    | {"ToleratedFailureCount", "ToleratedFailurePercentage", "ItemBatcher", "Label"},
}
"""The fields that a state of each type may have in JSONata mode."""

_JSONPATH = frozenset(
    {"InputPath", "OutputPath", "ResultPath", "ResultSelector", "Parameters", "Result", "ItemsPath", "Iterator"}
    | {"MaxConcurrencyPath", "TimeoutSecondsPath", "HeartbeatSecondsPath", "SecondsPath", "TimestampPath"}
    | {"ErrorPath", "CausePath", "Variable", "ToleratedFailureCountPath", "ToleratedFailurePercentagePath"}
    | {"MaxItemsPerBatchPath", "MaxInputBytesPerBatchPath"}
)
RULE_FIELDS = frozenset({"Condition", "Next", "Assign", "Output", "Comment"})
_CATCHER_FIELDS = frozenset({"ErrorEquals", "Next", "Assign", "Output", "Comment"})
_RETRIER_FIELDS = frozenset(
    {"ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy", "Comment"}
)
_VARIABLE = re.compile(r"[^\W\d]\w*")

INPUT = frozenset({"input", "context"})
RESULT = INPUT | {"result"}
ERROR = INPUT | {"errorOutput"}


class Limits(NamedTuple):
    """What a number may be."""

    least: float
    most: float = float("inf")
    whole: bool = True

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.least}" + (f" to {self.most:.0f}" if self.most != float("inf") else "")


class FieldLoader:
    """Reads fields that states share; the walk and the reports are its subclasses' business."""

    jsonata: bool

    def report(
        self, path: str, message: str, *, value: Any = None, allowed: Any = None, fix: str | None = None
    ) -> None:
        raise NotImplementedError

    def report_expression(self, path: str, problem: ExpressionError | str, source: str) -> None:
        raise NotImplementedError

    def query_language(self, path: str, language: object) -> None:
        self.report(
            path,
            f"The query language is {language!r}; only JSONata is run.",
            value=language,
            allowed=["JSONata"],
            fix='Set "QueryLanguage": "JSONata" at the top, and write paths as expressions: {% $states.input.x %}.',
        )

    def unknown_fields(self, path: str, asl: Mapping[str, Any], allowed: frozenset[str]) -> None:
        for key in asl:
            if key not in allowed:
                why = " It belongs to JSONPath." if key in _JSONPATH else ""
                self.report(f"{path}/{key}", f"Field '{key}' is not supported here.{why}", allowed=sorted(allowed))

    def way_out(self, path: str, kind: str, asl: Mapping[str, Any]) -> None:
        if "Next" in STATE_TYPES[kind] and ("Next" in asl) == (asl.get("End") is True):
            self.report(path, "A state has either Next or End: true.", fix="Give one of the two.")

    def template(
        self, path: str, asl: Mapping[str, Any], field: str, readable: frozenset[str], prefix: str = ""
    ) -> Template | None:
        if field not in asl:
            return None

        def report(place: str, problem: ExpressionError | str, source: str) -> None:
            self.report_expression(f"{path}/{place}", problem, source)

        return compile_template(asl[field], f"{prefix}{field}", report, readable)

    def amount(
        self, path: str, asl: Mapping[str, Any], field: str, kinds: type | tuple[type, ...], *, prefix: str = ""
    ) -> Amount | None:
        """A field that is a literal of a kind, or an expression that gives one."""
        template = self.template(path, asl, field, INPUT, prefix)
        if template is None:
            return None
        value = asl[field]
        fits = isinstance(value, kinds) and (kinds is bool or not isinstance(value, bool))
        if source_of(value) is None and not fits:
            names = " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
            self.report(f"{path}/{prefix}{field}", f"{field} is of the type {names}, or an expression.", value=value)
        return Amount(template, value)

    def assignment(
        self, path: str, prefix: str, asl: Mapping[str, Any], readable: frozenset[str]
    ) -> dict[str, Template]:
        fields = asl.get("Assign", {})
        if not isinstance(fields, dict):
            self.report(f"{path}/{prefix}Assign", "Assign is an object of names and values.", value=fields)
            return {}
        for name in fields:
            if name == "states" or not _VARIABLE.fullmatch(name) or len(name) > MAX_VARIABLE_NAME_CHARACTERS:
                text = "A variable's name is an identifier of at most 80 characters, and not 'states'."
                self.report(f"{path}/{prefix}Assign/{name}", text, value=name)

        def report(place: str, problem: ExpressionError | str, source: str) -> None:
            self.report_expression(f"{path}/{place}", problem, source)

        return {
            name: compile_template(value, f"{prefix}Assign/{name}", report, readable) for name, value in fields.items()
        }

    def entries(self, path: str, asl: Mapping[str, Any], field: str) -> list[tuple[int, Mapping[str, Any]]]:
        """The objects of a list field, with their places."""
        value = asl.get(field, [])
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            self.report(f"{path}/{field}", f"{field} is a list of objects.", value=value)
            return []
        return list(enumerate(value))

    def retrier(self, path: str, index: int, asl: Mapping[str, Any]) -> Retrier:
        place = f"{path}/Retry[{index}]"
        self.unknown_fields(place, asl, _RETRIER_FIELDS)
        strategy = asl.get("JitterStrategy", "NONE")
        if strategy not in ("FULL", "NONE"):
            self.report(f"{place}/JitterStrategy", "JitterStrategy is FULL or NONE.", value=strategy)
        interval = self.number(place, asl, "IntervalSeconds", 1, Limits(1))
        delay = self.number(place, asl, "MaxDelaySeconds", None, Limits(1, MAX_RETRY_DELAY_SECONDS))
        if delay is not None and delay <= (interval or 0):
            self.report(f"{place}/MaxDelaySeconds", "MaxDelaySeconds is greater than IntervalSeconds.", value=delay)
        return Retrier(
            self.error_names(place, asl),
            interval or 1,
            int(self.number(place, asl, "MaxAttempts", 3, Limits(0, 99_999_999)) or 0),
            self.number(place, asl, "BackoffRate", 2.0, Limits(1, whole=False)) or 1,
            delay,
            strategy == "FULL",
        )

    def number(
        self, path: str, asl: Mapping[str, Any], field: str, default: float | None, limits: Limits
    ) -> float | None:
        """A literal number within limits; `default` where the field is absent or wrong."""
        value = asl.get(field, default)
        if value is None:
            return None
        kinds = int if limits.whole else int | float
        if isinstance(value, bool) or not isinstance(value, kinds) or not limits.least <= value <= limits.most:
            self.report(f"{path}/{field}", f"{field} is {limits}.", value=value)
            return default
        return float(value)

    def catcher(self, path: str, index: int, asl: Mapping[str, Any]) -> Catcher:
        place, prefix = f"{path}/Catch[{index}]", f"Catch[{index}]/"
        self.unknown_fields(place, asl, _CATCHER_FIELDS)
        if "Next" not in asl:
            self.report(f"{place}/Next", "A catcher has a Next.")
        output = self.template(path, asl, "Output", ERROR, prefix)
        return Catcher(
            self.error_names(place, asl), str(asl.get("Next")), output, self.assignment(path, prefix, asl, ERROR)
        )

    def error_names(self, path: str, asl: Mapping[str, Any]) -> tuple[str, ...]:
        names = asl.get("ErrorEquals")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            self.report(f"{path}/ErrorEquals", "ErrorEquals is a list of at least one error name.", value=names)
            return ()
        return tuple(names)

    def wildcards(self, path: str, field: str, groups: list[tuple[str, ...]]) -> None:
        for index, names in enumerate(groups):
            if ALL in names and (len(names) > 1 or index != len(groups) - 1):
                text = "States.ALL stands alone in its ErrorEquals, in the last entry."
                self.report(f"{path}/{field}[{index}]/ErrorEquals", text, value=list(names))

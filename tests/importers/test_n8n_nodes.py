"""What single nodes become, version by version and option by option."""

from typing import Any

import pytest

from tests.compiler.run import interpreted
from tests.compiler.strict_machine import StateError
from tests.importers.small import COLLECT, ROWS, SPLIT, assigned, codes, number, translate
from tests.importers.test_n8n_running import Services, outcome


@pytest.mark.parametrize(
    ("more", "expected"),
    [({}, [{"n": 1, "x": 1}, {"n": 2, "x": 1}, {"n": 3, "x": 1}]), ({"executeOnce": True}, [{"n": 1, "x": 1}])],
)
def test_execute_once_takes_the_first_item(more: dict[str, Any], expected: Any) -> None:
    found = translate([SPLIT, ("Set", "set", 3.4, assigned(x=1), more), COLLECT], "Start>Split Split>Set Set>Collect")
    assert interpreted(found.definition, ROWS) == {"collect": {"data": expected}}


def test_always_output_data_is_said() -> None:
    assert "option.left_out" in codes(translate([(*SPLIT, {"alwaysOutputData": True})], "Start>Split"))


def test_many_items_through_a_switch() -> None:
    rules = {
        "rules": {
            "values": [
                {
                    "conditions": {
                        "combinator": "or",
                        "conditions": [number("={{ $json.n }}", "lt", 2), number("={{ $json.n }}", "gt", 2)],
                    }
                },
                {"conditions": {"combinator": "and", "conditions": [number("={{ $json.n }}", "equals", 3)]}},
            ]
        },
        "options": {"fallbackOutput": "extra"},
    }
    found = translate(
        [
            SPLIT,
            ("Switch", "switch", 3, rules),
            ("A", "set", 3.4, assigned(a=1)),
            ("B", "noOp", 1, {}),
            ("C", "noOp", 1, {}),
        ],
        "Start>Split Split>Switch Switch>A Switch.1>B Switch.2>C",
    )
    assert interpreted(found.definition, ROWS) == {"a": [{"n": 1, "a": 1}, {"n": 3, "a": 1}], "c": [{"n": 2}]}


@pytest.mark.parametrize(
    ("operator", "left", "right", "expected"),
    [
        (("string", "equals"), "a", "a", True),
        (("string", "equals"), "A", "a", False),
        (("string", "notEquals"), None, "a", True),
        (("string", "contains"), None, "a", False),
        (("string", "notContains"), "b", "a", True),
        (("string", "startsWith"), "ab", "a", True),
        (("string", "endsWith"), "ab", "b", True),
        (("string", "notEndsWith"), "ab", "b", False),
        (("string", "regex"), "x/1", "^x/\\d$", True),
        (("string", "notRegex"), "X", "/x/i", False),
        (("string", "empty"), "", "", True),
        (("string", "notEmpty"), None, "", False),
        (("string", "exists"), None, "", False),
        (("string", "notExists"), None, "", True),
        (("number", "gt"), "5", 4, True),
        (("number", "gte"), None, 0, False),
        (("number", "lte"), 4, "4", True),
        (("number", "notEquals"), 4, 4, False),
        (("boolean", "true"), True, "", True),
        (("boolean", "false"), False, "", True),
        (("boolean", "equals"), True, True, True),
        (("dateTime", "after"), "2026-01-02", "2026-01-01T00:00:00Z", True),
        (("dateTime", "beforeOrEquals"), "2026-01-02", "2026-01-01", False),
        (("array", "contains"), ["a", "b"], "b", True),
        (("array", "notContains"), [], "b", True),
        (("array", "empty"), [], "", True),
        (("array", "notEmpty"), [0], "", True),
        (("array", "lengthNotEquals"), [1], 2, True),
        (("object", "empty"), {}, "", True),
        (("object", "notEmpty"), {"a": 1}, "", True),
    ],
)
def test_operators_of_conditions(operator: tuple[str, str], left: Any, right: Any, *, expected: bool) -> None:
    condition = {
        "leftValue": "={{ $json.left }}",
        "rightValue": right,
        "operator": {"type": operator[0], "operation": operator[1]},
    }
    parameters = {"conditions": {"combinator": "and", "conditions": [condition]}}
    found = translate(
        [("If", "if", 2.2, parameters), ("Yes", "noOp", 1, {}), ("No", "noOp", 1, {})], "Start>If If>Yes If.1>No"
    )
    assert set(interpreted(found.definition, {"left": left})) == {"yes" if expected else "no"}


def test_case_is_ignored_where_the_filter_says_so() -> None:
    condition = {
        "leftValue": "={{ $json.a }}",
        "rightValue": "ABC",
        "operator": {"type": "string", "operation": "equals"},
    }
    parameters = {"conditions": {"options": {"caseSensitive": False}, "conditions": [condition]}}
    found = translate([("Filter", "filter", 2, parameters), ("Yes", "noOp", 1, {})], "Start>Filter Filter>Yes")
    assert interpreted(found.definition, {"a": "aBc"}) == {"yes": {"a": "aBc"}}
    assert interpreted(found.definition, {"a": "ab"}) == {}


def test_failures_of_single_items_are_kept_as_items() -> None:
    call = ("Call", "httpRequest", 4.2, {"url": "=https://x.example.com/{{ $json.n }}"}, {"continueOnFail": True})
    found = translate([SPLIT, call, COLLECT], "Start>Split Split>Call Call>Collect")
    answers: dict[str, Any] = {f"GET https://x.example.com/{n}": {"ok": n} for n in (1, 3)}
    services = Services({**answers, "GET https://x.example.com/2": StateError("DestinationRefused", "no")})
    assert interpreted(found.definition, ROWS, services) == {
        "collect": {"data": [{"ok": 1}, {"error": {"name": "DestinationRefused", "cause": "no"}}, {"ok": 3}]}
    }


@pytest.mark.parametrize(
    ("version", "parameters", "expected"),
    [
        (1, {"mode": "mergeByIndex"}, [{"n": 1, "by": "B"}, {"n": 2, "by": "B"}, {"n": 3, "by": "B"}]),
        (2, {"mode": "chooseBranch", "output": "input1"}, ROWS["rows"]),
        (3, {"mode": "chooseBranch", "useDataOfInput": "2"}, [{"n": n, "by": "B"} for n in (1, 2, 3)]),
        (2, {"mode": "chooseBranch", "output": "empty"}, [{}]),
        (
            3,
            {
                "mode": "combine",
                "combineBy": "combineByFields",
                "advanced": True,
                "mergeByFields": {"values": [{"field1": "n", "field2": "n"}]},
            },
            [{"n": n, "by": "B"} for n in (1, 2, 3)],
        ),
    ],
)
def test_modes_of_merge(version: float, parameters: dict[str, Any], expected: Any) -> None:
    found = translate(
        [SPLIT, ("B", "set", 3.4, assigned(by="B")), ("Merge", "merge", version, parameters), COLLECT],
        "Start>Split Split>Merge Split>B B>Merge.1 Merge>Collect",
    )
    assert outcome(interpreted, found.definition, ROWS) == {"data": expected}


def test_all_with_all() -> None:
    parameters = {"mode": "combine", "combineBy": "combineAll"}
    found = translate(
        [
            SPLIT,
            ("B", "set", 3.4, {"assignments": {"assignments": [{"name": "b", "type": "number", "value": 1}]}}),
            ("Merge", "merge", 3, parameters),
            COLLECT,
        ],
        "Start>Split Split>Merge Start>B B>Merge.1 Merge>Collect",
    )
    assert outcome(interpreted, found.definition, {"rows": [{"n": 1}, {"n": 2}]}) == {
        "data": [{"n": 1, "b": 1}, {"n": 2, "b": 1}]
    }


def test_fields_that_are_kept() -> None:
    value = {"a": {"x": 1, "y": 2}, "b": 2, "c": 3}
    cases = [
        (3.4, {"includeOtherFields": True, "include": "selected", "includeFields": "b, a.x"}, {"b": 2, "x": 1, "n": 0}),
        (3.4, {"includeOtherFields": True, "include": "except", "excludeFields": "a,b,c"}, {"n": 0}),
        (3.4, {}, {"n": 0}),
        (3.0, {"include": "none"}, {"n": 0}),
        (3.0, {}, {**value, "n": 0}),
    ]
    for version, parameters, expected in cases:
        key = "assignments" if version > 3.2 else "fields"
        rows = {
            "assignments": {"assignments": [{"name": "n", "type": "number", "value": 0}]},
            "fields": {"values": [{"name": "n", "type": "numberValue", "numberValue": "0"}]},
        }
        found = translate([("Set", "set", version, {key: rows[key], **parameters})], "Start>Set")
        assert interpreted(found.definition, value) == expected
    deep = translate([("Set", "set", 3.4, assigned(**{"a.x": 9}))], "Start>Set")
    assert interpreted(deep.definition, value) == {**value, "a": {"x": 9, "y": 2}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"retryOnFail": True}, {"max_attempts": 3, "interval_seconds": 1}),
        ({"retryOnFail": True, "maxTries": 99, "waitBetweenTries": 2500}, {"max_attempts": 5, "interval_seconds": 3}),
        ({"retryOnFail": True, "maxTries": "many"}, {"max_attempts": 3, "interval_seconds": 1}),
        ({}, {"max_attempts": 1}),
    ],
)
def test_retries(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    found = translate([("Call", "httpRequest", 4.2, {"url": "example.com"}, fields)], "Start>Call")
    (node,) = found.definition["nodes"]
    assert expected.items() <= node["retry"].items()
    assert node["config"]["url"] == "http://example.com"

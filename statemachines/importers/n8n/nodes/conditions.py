"""Conditions of IF, Filter and Switch: n8n's two forms of them as JSONata tests.

v1   {string: [{value1, operation: "contains", value2}], number: […], boolean: […], dateTime: […]}
v2   {combinator: "and", options: {caseSensitive}, conditions: [{leftValue, rightValue, operator: {type, operation}}]}
"""

import re
from collections.abc import Callable
from typing import Any

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.javascript.dates import point
from statemachines.importers.n8n.places import Place
from statemachines.importers.n8n.problems import Untranslatable
from statemachines.importers.n8n.work import Work

Test = Callable[[Code, Code], Code]

_TODO = "Write the test in JSONata."
_REGEX = re.compile(r"^/(.*?)/([gimusy]*)$", re.DOTALL)
_V1 = {
    "smaller": "lt",
    "smallerEqual": "lte",
    "larger": "gt",
    "largerEqual": "gte",
    "equal": "equals",
    "notEqual": "notEquals",
    "isEmpty": "empty",
    "isNotEmpty": "notEmpty",
}
"""Operations of version 1, by their names of version 2; the others are called the same."""


def filter_test(work: Work, raw: Any, place: Place) -> Code:
    """The test of a filter of version 2."""
    conditions = _object(raw).get("conditions")
    rows = [each for each in conditions if isinstance(each, dict)] if isinstance(conditions, list) else []
    exact = _object(_object(raw).get("options")).get("caseSensitive", True) is not False
    tests = []
    for row in rows:
        operator = _object(row.get("operator"))
        kind, operation = str(operator.get("type", "string")), str(operator.get("operation", "equals"))
        left = work.code(row.get("leftValue"), place)
        tests.append(one_test(kind, operation, left, work.code(row.get("rightValue"), place), exact=exact))
    return combined(tests, "or" if _object(raw).get("combinator") == "or" else "and")


def _object(raw: Any) -> dict[str, Any]:
    return raw if isinstance(raw, dict) else {}


def typed_rows_test(work: Work, path: str, combinator: str, place: Place) -> Code:
    """The test of conditions of version 1."""
    tests = []
    for kind in ("boolean", "dateTime", "number", "string"):
        for row in work.node.rows(f"{path}.{kind}"):
            default = {"number": "smaller", "dateTime": "after"}.get(kind, "equal")
            operation = str(row.get("operation", default))
            otherwise = {"number": 0, "boolean": False}.get(kind, "")
            left = work.code(row.get("value1", otherwise), place)
            right = work.code(row.get("value2", otherwise), place)
            tests.append(old_test(kind, operation, left, right))
    return combined(tests, combinator)


def combined(tests: list[Code], combinator: str) -> Code:
    """All of them, or any."""
    if not tests:
        return c.constant(literal=combinator == "and")
    if len(tests) == 1:
        return tests[0]
    return Code(f" {combinator} ".join(c.truth(each) for each in tests), "boolean", tight=False)


def old_test(kind: str, operation: str, left: Code, right: Code) -> Code:
    """One test of version 1; `equal` compares without conversion."""
    if kind == "string" and operation in ("isEmpty", "isNotEmpty"):
        kind = "any"
    return one_test(kind, _V1.get(operation, operation), left, right)


def one_test(kind: str, operation: str, left: Code, right: Code, *, exact: bool = True) -> Code:
    """One test. Raises Untranslatable for an operation that is not known."""
    if operation in ("exists", "notExists"):
        return c.negated(_exists(left)) if operation == "notExists" else _exists(left)
    positive, inverted = _positive(operation)
    found = _TESTS.get((kind, positive)) or _TESTS.get(("any", positive))
    if found is None:
        raise Untranslatable(f"the test '{kind}: {operation}' is not known", _TODO)
    if kind == "string" and not exact and positive != "regex":
        left, right = _lower(left), _lower(right)
    code = found(left, right)
    return c.negated(code) if inverted else code


def _positive(operation: str) -> tuple[str, bool]:
    if operation == "lengthNotEquals":
        return "lengthEquals", True
    if operation.startswith("not"):
        return operation[3].lower() + operation[4:] if len(operation) > 3 else operation, True  # noqa: PLR2004 - "not"
    return operation, False


def _exists(code: Code) -> Code:
    return Code(c.given(code), "test")


def _lower(code: Code) -> Code:
    if code.constant and isinstance(code.literal, str):
        return c.constant(code.literal.lower())
    return c.call("lowercase", c.text_of(code), kind="string")


def _equals(left: Code, right: Code) -> Code:
    if right.constant and right.literal == "":
        return _empty(left, right)
    return c.operation(c.value(left), "=", c.value(right), "boolean")


def _empty(left: Code, _: Code) -> Code:
    return c.emptiness(left)


def _text(code: Code) -> Code:
    return c.text_of(code) if code.kind != "any" else Code(c.text_of(code).operand)


def _contains(left: Code, right: Code) -> Code:
    return Code(f"$contains({_text(left).text}, {_text(right).text})", "test")


def _starts(left: Code, right: Code) -> Code:
    whole, begin = _text(left).text, _text(right)
    return Code(f"$substring({whole}, 0, $length({begin.text})) = {begin.operand}", "boolean", tight=False)


def _ends(left: Code, right: Code) -> Code:
    whole, end = _text(left).text, _text(right)
    return Code(f"$substring({whole}, -$length({end.text})) = {end.operand}", "boolean", tight=False)


def _regex(left: Code, right: Code) -> Code:
    if not right.constant or not isinstance(right.literal, str) or not right.literal:
        raise Untranslatable("a regular expression is computed", _TODO)
    match = _REGEX.match(right.literal)
    pattern, flags = (match[1], match[2]) if match else (right.literal, "")
    if set(flags) - set("gim"):
        raise Untranslatable(f"the flags of the regular expression {right.literal[:60]} are not JSONata's", _TODO)
    pattern = re.sub(r"(?<!\\)/", r"\\/", pattern)
    return Code(f"$contains({_text(left).text}, /{pattern}/{'i' * ('i' in flags)}{'m' * ('m' in flags)})", "test")


def _number(code: Code) -> Code:
    if code.constant and isinstance(code.literal, str):
        try:
            return c.constant(float(code.literal))
        except ValueError:
            return code
    return c.number_of(code)


def _order(operator: str) -> Test:
    def compare(left: Code, right: Code) -> Code:
        code = c.operation(_number(left), operator, _number(right), "test")
        if left.kind == "any":  # JavaScript takes null for 0 here; Millrace for nothing
            return Code(f"{c.given(left)} and {code.operand}", "test", tight=False)
        return code

    return compare


def _number_equals(left: Code, right: Code) -> Code:
    return c.operation(left, "=", _number(right) if right.constant else right, "boolean")


def _time(operator: str) -> Test:
    return lambda left, right: c.operation(point(left), operator, point(right), "test")


def _true(left: Code, _: Code) -> Code:
    return Code(c.truth(left), "test")


def _array_contains(left: Code, right: Code) -> Code:
    return c.operation(right, "in", left, "test")


def _count(operator: str) -> Test:
    return lambda left, right: Code(f"$count({left.text}) {operator} {_number(right).operand}", "test", tight=False)


def _no_members(left: Code, _: Code) -> Code:
    return Code(f"$count($keys({left.text})) = 0", "boolean", tight=False)


_TESTS: dict[tuple[str, str], Test] = {
    ("any", "equals"): _equals,
    ("any", "empty"): _empty,
    ("string", "contains"): _contains,
    ("string", "startsWith"): _starts,
    ("string", "endsWith"): _ends,
    ("string", "regex"): _regex,
    ("number", "equals"): _number_equals,
    ("number", "gt"): _order(">"),
    ("number", "gte"): _order(">="),
    ("number", "lt"): _order("<"),
    ("number", "lte"): _order("<="),
    ("dateTime", "equals"): _time("="),
    ("dateTime", "after"): _time(">"),
    ("dateTime", "before"): _time("<"),
    ("dateTime", "afterOrEquals"): _time(">="),
    ("dateTime", "beforeOrEquals"): _time("<="),
    ("boolean", "true"): _true,
    ("boolean", "false"): lambda left, _: c.negated(left),
    ("array", "contains"): _array_contains,
    ("array", "empty"): lambda left, _: Code(f"$count({left.text}) = 0", "boolean", tight=False),
    ("array", "lengthEquals"): _count("="),
    ("array", "lengthGt"): _count(">"),
    ("array", "lengthLt"): _count("<"),
    ("array", "lengthGte"): _count(">="),
    ("array", "lengthLte"): _count("<="),
    ("object", "empty"): _no_members,
}

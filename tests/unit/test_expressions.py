"""The rules of Step Functions that the expression module keeps, and what the compiler asks of it."""

from typing import Any

import pytest

from shared.workflow.expressions import (
    Expression,
    ExpressionError,
    UndefinedResult,
    compiled,
    expressions_in,
    source_of,
)


def test_whole_numbers_stay_integers():
    value = Expression("$n + 1").evaluate({"n": 41})

    assert value == 42
    assert isinstance(value, int)


def test_null_is_a_value_and_undefined_is_a_mistake():
    assert Expression("$input.gone").evaluate({"input": {"gone": None}}) is None
    with pytest.raises(UndefinedResult, match=r"'\$input\.other' returned nothing"):
        Expression("$input.other").evaluate({"input": {"gone": None}})


@pytest.mark.parametrize("source", ["$eval('1 + 1')", "($e := $eval; $e('1'))", "$map(['1'], $eval)"])
def test_eval_is_refused_when_compiled(source: str):
    with pytest.raises(ExpressionError, match=r"\$eval is not allowed"):
        Expression(source)


def test_eval_in_a_string_is_only_text():
    assert Expression("'$eval(1)'").evaluate({}) == "$eval(1)"


@pytest.mark.parametrize(("source", "position"), [("1 +", 3), ("$a[", 3), ("'open", 5)])
def test_a_syntax_error_has_code_and_position(source: str, position: int):
    with pytest.raises(ExpressionError) as caught:
        Expression(source)

    assert caught.value.code.startswith("S0")
    assert caught.value.position == position
    assert caught.value.source == source


def test_a_failure_has_its_code():
    with pytest.raises(ExpressionError) as caught:
        Expression("1 + $a").evaluate({"a": "x"})

    assert caught.value.code == "T2002"
    assert not isinstance(caught.value, UndefinedResult)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("$classify.urgency > $input.limit", {"classify", "input"}),
        ("($t := $a; $t + $b)", {"a", "b"}),
        ("function($x) { $x + $y }(1)", {"y"}),
        ("$map($items, function($v, $i) { $v.sku & $i })", {"items"}),
        ("$sum([1, 2])", set()),
        ("$uuid()", {"uuid"}),
        ("'$text'", set()),
    ],
)
def test_free_variables_are_those_read_from_outside(source: str, names: set[str]):
    assert Expression(source).variables() == names


def test_functions_can_be_given():
    assert Expression("$hash($n)").evaluate({"n": 4}, {"hash": lambda n: n * 2}) == 8


@pytest.mark.parametrize(
    "source",
    ["($f := function($n) { $f($n + 1) }; $f(1))", "[1..10000000]", "($f := function($n) { 1 + $f($n) }; $f(1))"],
)
def test_a_runaway_expression_is_stopped(source: str):
    with pytest.raises(ExpressionError) as caught:
        Expression(source).evaluate({})

    assert caught.value.code in ("U1001", "U1006", "D1011")  # result size, steps, depth


def test_an_expression_is_compiled_once():
    assert compiled("$a + 1") is compiled("$a + 1")


@pytest.mark.parametrize(
    ("value", "source"),
    [
        ("{% $a %}", "$a"),
        ("{%$a%}", "$a"),
        ("{% $a\n  + 1 %}", "$a\n  + 1"),
        ("x {% $a %}", None),
        ("{% $a", None),
        ("", None),
        (7, None),
        (None, None),
        ({"a": 1}, None),
    ],
)
def test_only_a_whole_delimited_string_is_an_expression(value: object, source: str | None):
    assert source_of(value) == source


def test_expressions_are_found_at_any_depth_with_their_path():
    value = {"url": "{% $u %}", "headers": [{"x": "plain"}, {"y": "{% $h %}"}], "n": 1}

    assert list(expressions_in(value, "config")) == [("config.url", "$u"), ("config.headers[1].y", "$h")]
    assert list(expressions_in("{% $a %}")) == [("", "$a")]


@pytest.mark.parametrize(
    ("source", "value"),
    [("$v.a.b", 1), ("$v.l", [1]), ("$v.n", None), ("$v.o.k", [1, 2]), ("$v.a", {"b": 1})],
)
def test_a_plain_path_gives_what_the_engine_gives(source: str, value: Any):
    variables = {"v": {"a": {"b": 1}, "l": [1], "n": None, "o": [{"k": 1}, {"k": 2}]}}

    assert Expression(source).evaluate(variables) == Expression(f"({source})").evaluate(variables) == value


@pytest.mark.parametrize("source", ["$v.z", "$w", "$w.a", "$v.n.a"])
def test_a_plain_path_that_leads_nowhere(source: str):
    with pytest.raises(UndefinedResult):
        Expression(source).evaluate({"v": {"n": None}})


def test_names_of_a_context_item_are_told():
    assert Expression("phone & $a").context_names() == {"phone"}
    assert Expression("$a[b = 1].c").context_names() == set()


def test_the_position_of_a_failure_counts_from_the_start_of_the_text():
    with pytest.raises(ExpressionError) as caught:
        Expression("$a + 1").evaluate({"a": "x"})

    assert caught.value.position == 4

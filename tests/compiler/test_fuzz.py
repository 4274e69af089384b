"""Whatever JSON comes in, the compiler answers with a machine or with diagnostics."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.errors import InvalidDefinition
from shared.workflow.load import load_text
from statemachines.compiler import compile_workflow
from tests.compiler.golden import BROKEN, CASES
from tests.compiler.strict_machine import check

_TEXT = st.text(max_size=12) | st.sampled_from(
    [
        "{% $input %}",
        "{% $a.b + %}",
        "{% (",
        "{% 'x' %}",
        "a",
        "b",
        "{%",
        "%}",
        "\x00",
        "\ud800",
        "{% $x := 1 %}",
        "$ref",
    ]
)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)
_DOCUMENTS = [load_text(path.read_text()) for path in [*CASES.glob("*/workflow.yaml"), *BROKEN.glob("*.yaml")]]


def _compile(document: Any) -> None:
    try:
        check(compile_workflow(document).asl)
    except InvalidDefinition as error:
        orjson.dumps([each.as_dict() for each in error.diagnostics])  # as the API answers


@settings(max_examples=200, deadline=None)
@given(_JSON)
@example(float("nan"))
@example("\ud800")
@example(10**5000)
def test_any_json(document: Any) -> None:
    _compile(document)


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries({"name": _JSON, "nodes": _JSON | st.lists(_JSON), "edges": _JSON}, optional={"output": _JSON})
)
def test_any_json_in_the_right_fields(document: Any) -> None:
    _compile(document)


@st.composite
def _mutated(draw: st.DrawFn) -> Any:
    """A real definition in which up to three values, at any depth, are something else or gone."""
    document = json.loads(json.dumps(draw(st.sampled_from(_DOCUMENTS))))
    for _ in range(draw(st.integers(1, 3))):
        place = document
        while isinstance(place, dict | list) and place:
            key = draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
            if draw(st.integers(0, 3)) == 0 or not isinstance(place[key], dict | list):
                if draw(st.booleans()):
                    place[key] = draw(_JSON)
                else:
                    del place[key]
                break
            place = place[key]
    return document


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_mutated())
def test_real_definitions_with_something_wrong(document: Any) -> None:
    _compile(document)


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}])
def test_depth(wrap: Any) -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = wrap(deep)
    with pytest.raises(InvalidDefinition) as caught:
        compile_workflow({"name": "deep", "nodes": [{"id": "a", "type": "transform", "config": {"output": deep}}]})
    assert [each.code for each in caught.value.diagnostics] == ["definition.too_deep"]


def test_thousands_of_mistakes_are_answered_at_once() -> None:
    edges = [{"from": f"nod{i}", "to": f"ned{i}"} for i in range(20_000)]
    nodes = [{"id": f"node{i}", "type": "transform", "config": {"output": 1}} for i in range(5_000)]
    with pytest.raises(InvalidDefinition) as caught:
        compile_workflow({"name": "wrong", "nodes": nodes, "edges": edges})
    assert len(caught.value.diagnostics) == 200

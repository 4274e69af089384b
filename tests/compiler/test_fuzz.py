"""Whatever JSON comes in, the compiler answers with a machine or with diagnostics; whatever text, the loader with a
document or with one refusal."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.errors import InvalidDefinition, MalformedRequest
from shared.workflow.load import load_text
from statemachines.compiler import compile_workflow
from tests.compiler.broken_built import deep, transform, workflow
from tests.compiler.golden import BROKEN, CASES
from tests.compiler.strict_machine import check

EXAMPLES = Path(__file__).parents[2] / "examples"

_FUZZ = settings(deadline=None, suppress_health_check=list(HealthCheck))
"""A hang ends by the test's time-out."""

_AWKWARD = [
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
    "\u2028",
    "日本語",
    "e\u0301\u202e",
    "{% $x := 1 %}",
    "$ref",
    "#/$defs/x",
    "x" * 100_000,
    "{% " + "(" * 5_000 + " %}",
    "{% " + "$input." * 5_000 + "a %}",
    "(" * 5_000,
    "a{99999999999}",
    "9" * 400,
]
_TEXT = st.text(max_size=12) | st.sampled_from(_AWKWARD)
_NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(2**63), 2**63, 1e308, -0.0, 5e-324])
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)
_FILES = [*CASES.glob("*/workflow.yaml"), *BROKEN.glob("*.yaml"), *EXAMPLES.glob("*/*.yaml")]
_TEXTS = [path.read_text() for path in sorted(_FILES)]
_DOCUMENTS = [load_text(text) for text in _TEXTS]


def _compile(document: Any) -> None:
    try:
        check(compile_workflow(document).asl)
    except InvalidDefinition as error:
        orjson.dumps([each.as_dict() for each in error.diagnostics])  # as the API answers


@settings(_FUZZ, max_examples=300)
@given(_JSON)
@example(float("nan"))
@example("\ud800")
@example(10**5000)
def test_any_json(document: Any) -> None:
    _compile(document)


@settings(_FUZZ, max_examples=200)
@given(
    st.fixed_dictionaries({"name": _JSON, "nodes": _JSON | st.lists(_JSON), "edges": _JSON}, optional={"output": _JSON})
)
def test_any_json_in_the_right_fields(document: Any) -> None:
    _compile(document)


_SCHEMA_WORDS = st.sampled_from(
    ["type", "properties", "pattern", "$ref", "$id", "$anchor", "$defs", "$schema", "allOf", "items", "const", "not"]
)
_SCHEMAS = st.recursive(
    st.sampled_from([True, 0, "object", "#", "#/$defs/x", "http://[", "https://x/y", "(", "^a$", "x", None]) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_SCHEMA_WORDS, inner, max_size=4),
    max_leaves=12,
)


@settings(_FUZZ, max_examples=300)
@given(st.dictionaries(_SCHEMA_WORDS, _SCHEMAS, max_size=5))
@example({"pattern": "(" * 5_000})
@example({"pattern": "a{99999999999}"})
def test_any_schema(schema: Any) -> None:
    _compile(workflow(transform("a"), input_schema=schema))


@st.composite
def _mutated(draw: st.DrawFn) -> Any:
    """A real definition in which up to four values, at any depth, are gone, doubled, something else or elsewhere."""
    document = json.loads(json.dumps(draw(st.sampled_from(_DOCUMENTS))))
    for _ in range(draw(st.integers(1, 4))):
        places = list(_places(document))
        if not places:
            break
        place, key = draw(st.sampled_from(places))
        other, source = draw(st.sampled_from(places))
        change: Callable[..., None] = draw(st.sampled_from([_drop, _replace, _double, _move]))
        change(place, key, draw(_JSON), json.loads(json.dumps(other[source])))
    return document


def _places(value: Any) -> Any:
    """(container, key) of everything inside."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _drop(place: Any, key: Any, _drawn: Any, _other: Any) -> None:
    del place[key]


def _replace(place: Any, key: Any, drawn: Any, _other: Any) -> None:
    place[key] = drawn


def _move(place: Any, key: Any, _drawn: Any, other: Any) -> None:
    place[key] = other


def _double(place: Any, key: Any, _drawn: Any, _other: Any) -> None:
    copy = json.loads(json.dumps(place[key]))
    if isinstance(place, list):
        place.append(copy)
    else:
        place[f"{key}2"] = copy


@settings(_FUZZ, max_examples=1_000)
@given(_mutated())
def test_real_definitions_with_something_wrong(document: Any) -> None:
    _compile(document)


def _load(text: str | bytes, form: Any) -> None:
    try:
        document = load_text(text, form)
    except MalformedRequest as error:
        str(error).encode()  # as the API answers
        return
    _compile(document)


_FORMS = st.sampled_from(["auto", "json", "yaml"])


@settings(_FUZZ, max_examples=400)
@given(st.text() | st.binary(), _FORMS)
@example("\ufeff", "auto")
@example("1" * 5_000, "json")
@example('{"a": "\\ud800"}', "json")
@example("[" * 100_000, "auto")
@example("? [a]\n: b\n", "yaml")
def test_any_text(text: str | bytes, form: Any) -> None:
    _load(text, form)


@st.composite
def _mangled(draw: st.DrawFn) -> str:
    """The text of a real definition, as YAML or JSON, with up to four pieces gone, doubled or something else."""
    text = draw(st.sampled_from(_TEXTS))
    if draw(st.booleans()):
        text = json.dumps(yaml.safe_load(text), indent=draw(st.sampled_from([None, 1])))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 20)))
        piece = draw(
            st.just("")
            | st.just(text[start:end] * 2)
            | st.text(max_size=5)
            | st.sampled_from(list("{}[]:,-#&*!|>'\"%@`"))
        )
        text = text[:start] + piece + text[end:]
    return text


@settings(_FUZZ, max_examples=600)
@given(_mangled(), _FORMS)
def test_text_of_real_definitions_with_something_wrong(text: str, form: Any) -> None:
    _load(text, form)


@pytest.mark.parametrize("levels", [80, 97, 150, 100_000])
@pytest.mark.parametrize("word", ["not", "properties", "x"])
def test_depth_of_schemas(word: str, levels: int) -> None:
    """They are looked at by recursive libraries, which gave up with a RecursionError."""
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {word: schema}
    _compile(workflow(transform("a"), input_schema=schema))


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}])
def test_depth(wrap: Any) -> None:
    value: Any = 1
    for _ in range(100_000):
        value = wrap(value)
    with pytest.raises(InvalidDefinition) as caught:
        compile_workflow(workflow(transform("a", value)))
    assert [each.code for each in caught.value.diagnostics] == ["definition.too_deep"]


def test_the_deepest_value_that_is_allowed() -> None:
    check(compile_workflow(workflow(transform("a", deep(95)))).asl)


@pytest.mark.parametrize("count", [100, 10_000, 1_000_000])
@pytest.mark.parametrize(
    "source",
    [
        lambda count: "(" * count + "1" + ")" * count,
        lambda count: "[" * count + "1" + "]" * count,
        lambda count: "-" * count + "1",
        lambda count: "1" + "+1" * count,
        lambda count: "$input" + ".b" * count,
        lambda count: "$input" + "[0]" * count,
        lambda count: "function($x){" * count + "1" + "}" * count,
        lambda count: "1?" * count + "1",
        lambda count: "'" + "x" * count + "'",
        lambda count: "$input ~> " * count + "$string",
        lambda count: "$string('" + "a/(b*)*" * count + "')",
        lambda count: "$contains($input, /" + "(a*)*" * count + "/)",
        lambda count: "{'a':" * count + "1" + "}" * count,
        lambda count: "1" * count,
        lambda count: "/*" * count,
        lambda count: "$" + "a" * count,
    ],
)
def test_long_and_deep_expressions(source: Callable[[int], str], count: int) -> None:
    _compile(workflow(transform("a", f"{{% {source(count)} %}}")))


def test_thousands_of_mistakes_are_answered_at_once() -> None:
    edges = [{"from": f"nod{i}", "to": f"ned{i}"} for i in range(20_000)]
    nodes = [transform(f"node{i}") for i in range(5_000)]
    with pytest.raises(InvalidDefinition) as caught:
        compile_workflow({"name": "wrong", "nodes": nodes, "edges": edges})
    assert len(caught.value.diagnostics) == 200

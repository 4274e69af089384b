"""Text to documents: JSON and YAML, and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import MalformedRequest
from shared.workflow.load import load_json, load_text, load_yaml


def test_yaml_values_are_those_of_json() -> None:
    text = """
on: yes
off: "true"
time: 1:30
date: 2026-01-01
number: 12
negative: -1.5e3
octal: 0o17
nothing: ~
empty:
really: true
block: |
  {% $input %}
list: [1, "2", null, {a: b}]
"""
    assert load_yaml(text) == {
        "on": "yes",
        "off": "true",
        "time": "1:30",
        "date": "2026-01-01",
        "number": 12,
        "negative": -1500.0,
        "octal": "0o17",
        "nothing": None,
        "empty": None,
        "really": True,
        "block": "{% $input %}\n",
        "list": [1, "2", None, {"a": "b"}],
    }


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    )
)
def test_json_is_read_as_json_reads_it(value) -> None:
    assert load_json(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ('{"a": 1,\n "b" 2}', 2, 6, "Expecting ':'"),
        ("a: 1\nb: *x\n", 2, 4, "alias '*x' is not allowed"),
        ("a: &x 1\nb: *x\n", 2, 4, "alias"),
        ("a: 1\na: 2\n", 2, 1, "key 'a' comes twice"),
        ("a: !!python/object:os.system x", 1, 4, "tag"),
        ("a: 1\n---\nb: 2\n", 2, 1, "second document"),
        ("? [a]\n: 1\n", 1, 3, "keys are text"),
        ("a: [1, 2\n", 2, 1, "expected ',' or ']'"),
        ("a: \x07", 1, 4, "not allowed"),
        ("[" * 101, 1, 101, "deeper than 100"),
        ("- " * 101 + "1", 1, 201, "deeper than 100"),
    ],
)
def test_mistakes_name_line_and_column(text: str, line: int, column: int, says: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        load_text(text)
    assert says in caught.value.message
    assert (caught.value.details["line"], caught.value.details["column"]) == (line, column)


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 2}', '{"a": NaN}', '{"a": 1e999}', "{", "", "   ", b"\xff", "[1" + "0" * 5000 + "]", "%"]
)
def test_what_is_no_document_is_refused(text: str | bytes) -> None:
    with pytest.raises(MalformedRequest):
        load_text(text)


@given(st.text() | st.binary())
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    try:
        load_text(text)
    except MalformedRequest as error:
        assert error.message  # noqa: PT017 - both ends are right here


def test_brackets_within_texts_do_not_nest() -> None:
    assert load_json('{"a": "' + "[" * 500 + '\\""}') == {"a": "[" * 500 + '"'}


def test_aliases_cannot_blow_a_document_up() -> None:
    laughs = "a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(30))
    with pytest.raises(MalformedRequest, match="alias"):
        load_yaml(laughs)

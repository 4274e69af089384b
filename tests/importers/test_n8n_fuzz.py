"""Whatever file comes in, the importer answers with a definition or with an error of Millrace; no node is lost."""

import copy
import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.errors import InvalidDefinition, MillraceError
from shared.workflow.expressions import compiled
from shared.workflow.load import load_text
from statemachines.importers.n8n import import_n8n
from statemachines.importers.n8n.code import Code, value
from statemachines.importers.n8n.javascript import expression, mapping
from statemachines.importers.n8n.problems import NotSimple
from tests.importers.files import FILES, assert_sound, export
from tests.importers.test_n8n_expressions import Here

_DOCUMENTS = [export(file.stem) for file in FILES]
_TYPES = sorted({node["type"] for document in _DOCUMENTS for node in document["nodes"]})
_EXPRESSIONS = sorted(
    {text for document in _DOCUMENTS for text in json.dumps(document).split('"') if text.startswith("=")}
)
_TEXT = st.text(max_size=12) | st.sampled_from(
    [
        *_TYPES,
        *_EXPRESSIONS,
        "=",
        "={{",
        "={{ }}",
        "={{ $json }}",
        "={{ $('A') }}",
        "main",
        "input",
        "{% $x %}",
        "{%",
        "1e3",
    ]
)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=10,
)


def check(document: Any) -> None:
    try:
        found = import_n8n(document)
    except InvalidDefinition as error:
        orjson.dumps([each.as_dict() for each in error.diagnostics])
        return
    orjson.dumps(found.as_dict())
    raw = document
    while isinstance(raw, list) or "nodes" not in raw:
        raw = raw[0] if isinstance(raw, list) else raw.get("workflow", raw.get("data"))
    assert_sound(found, {each["name"] for each in raw["nodes"] if isinstance(each, dict) and _named(each)})


def _named(node: dict[str, Any]) -> bool:
    return isinstance(node.get("name"), str) and node["name"] != ""


@settings(max_examples=200, deadline=None)
@given(_JSON)
@example("\ud800")
@example({"nodes": [{"name": "\x00"}]})
@example([])
@example([[]])
def test_any_json(document: Any) -> None:
    check(document)


_NODE = st.fixed_dictionaries(
    {"name": st.sampled_from("ABCDE"), "type": st.sampled_from(_TYPES)},
    optional={"parameters": _JSON, "typeVersion": st.sampled_from([1, 2, 2.2, 3, 3.4, 4.2]), "disabled": st.booleans()},
)
_END = st.fixed_dictionaries({"node": st.sampled_from("ABCDE"), "index": st.integers(0, 2)})
_CONNECTIONS = st.dictionaries(
    st.sampled_from("ABCDE"),
    st.dictionaries(st.sampled_from(["main", "ai_tool"]), st.lists(st.lists(_END, max_size=3), max_size=3), max_size=2),
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({"nodes": st.lists(_NODE, min_size=1, max_size=6), "connections": _CONNECTIONS}))
def test_any_graph_of_known_nodes(document: Any) -> None:
    check(document)


@st.composite
def _mutated(draw: st.DrawFn) -> Any:
    """A real file in which up to four values, at any depth, are something else or gone."""
    document = copy.deepcopy(draw(st.sampled_from(_DOCUMENTS)))
    for _ in range(draw(st.integers(1, 4))):
        place = document
        while isinstance(place, dict | list) and place:
            key = draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
            if draw(st.integers(0, 5)) == 0 or not isinstance(place[key], dict | list):
                if draw(st.booleans()):
                    place[key] = draw(_JSON)
                else:
                    del place[key]
                break
            place = place[key]
    return document


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_mutated())
def test_real_files_with_something_wrong(document: Any) -> None:
    check(document)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes(content: bytes) -> None:
    with suppress(MillraceError):
        check(load_text(content))


def _expression(source: str) -> Code:
    return expression(source, Here())


def _script(source: str) -> Code:
    return mapping(source, Here(), Here(), each=False).code


_SNIPPETS = st.lists(
    st.sampled_from(
        [
            *"()[]{}.,;:?+-*/%!<>=&|`'\"\\",
            "$json",
            "$('A')",
            "x",
            "=>",
            "return ",
            "items",
            ".map(",
            "1",
            "/a/g",
            "const ",
        ]
    )
    | st.text(max_size=3),
    max_size=25,
).map("".join)


@settings(max_examples=500, deadline=None)
@given(_SNIPPETS)
@example("'\\ud800'")
@example("'\\u{110000}'")
@example("1" * 400)
@example("0x")
def test_any_javascript(source: str) -> None:
    for read in (_expression, _script):
        with suppress(NotSimple):
            compiled(value(read(source)).text)


@pytest.mark.parametrize("wrap", ["({})", "[{}]", "!{}", "a({})", "{}.b", "({} + 1)", "{{a: {}}}"])
def test_deep_javascript_is_refused_in_words(wrap: str) -> None:
    source = "1"
    for _ in range(2_000):
        source = wrap.replace("{{", "\0").replace("{}", source).replace("\0", "{")
        if len(source) > 19_000:
            break
    with pytest.raises(NotSimple):
        expression(source, Here())


def test_depth() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidDefinition) as caught:
        import_n8n({"nodes": [{"name": "A", "type": "x", "parameters": deep}]})
    assert [each.code for each in caught.value.diagnostics] == ["definition.too_deep"]


def test_large_files_are_answered() -> None:
    names = [f"Set {number}" for number in range(3_000)]
    nodes = [
        {"name": name, "type": "n8n-nodes-base.set", "typeVersion": 3.4, "parameters": {"assignments": {}}}
        for name in names
    ]
    connections = {a: {"main": [[{"node": b, "type": "main", "index": 0}]]} for a, b in pairwise(names)}
    check({"name": "long", "nodes": nodes, "connections": connections})


@pytest.mark.parametrize(
    "parameters",
    [
        {"resume": "specificTime"},
        {"resume": "specificTime", "dateTime": 7},
        {"resume": "specificTime", "dateTime": "2026-13-45T25:61"},
        {"resume": "specificTime", "dateTime": "tomorrow"},
        {"amount": 1e12, "unit": "days"},
    ],
)
def test_a_wait_for_no_time_becomes_a_placeholder(parameters: dict[str, Any]) -> None:
    node = {"id": "1", "name": "W", "type": "n8n-nodes-base.wait", "typeVersion": 1.1, "parameters": parameters}
    check({"name": "w", "nodes": [node], "connections": {}})

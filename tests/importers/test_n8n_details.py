"""Rules of the translation that no whole file shows: joins, loops, names, other forms of an export."""

from typing import Any

import pytest

from shared.errors import InvalidDefinition
from statemachines.importers.n8n import import_n8n
from tests.compiler.run import interpreted
from tests.compiler.strict_machine import StateError
from tests.importers.files import nodes_of
from tests.importers.small import BASE, COLLECT, ROWS, SPLIT, START, assigned, codes, document, number, translate
from tests.importers.test_n8n_running import Services


def test_connections_that_meet_without_a_merge_bring_the_items_of_all() -> None:
    found = translate(
        [
            ("A", "set", 3.4, assigned(by="A")),
            ("B", "set", 3.4, assigned(by="B")),
            ("C", "set", 3.4, assigned(c=1)),
            COLLECT,
        ],
        "Start>A Start>B A>C B>C C>Collect",
    )
    assert codes(found, "C") == {"items.joined"}
    assert interpreted(found.definition, {}) == {"data": [{"by": "A", "c": 1}, {"by": "B", "c": 1}]}


def test_the_two_ways_of_an_if_meet_in_one_item() -> None:
    test = {"conditions": {"boolean": [{"value1": "={{ $json.yes }}", "operation": "equal", "value2": True}]}}
    found = translate(
        [("If", "if", 1, test), ("A", "set", 3.4, assigned(by="A")), ("C", "set", 3.4, assigned(c="={{ $json.by }}"))],
        "Start>If If>A A>C If.1>C",
    )
    assert codes(found, "C") == set()
    assert interpreted(found.definition, {"yes": True}) == {"c": {"yes": True, "by": "A", "c": "A"}}
    assert interpreted(found.definition, {"yes": False}) == {"c": {"yes": False}}


def test_a_loop_that_keeps_only_some_items() -> None:
    test = {"conditions": {"conditions": [number("={{ $json.n }}", "gt", 1)]}}
    found = translate(
        [
            SPLIT,
            ("Loop", "splitInBatches", 3, {}),
            ("Filter", "if", 2, test),
            ("Mark", "set", 3.4, assigned(mark="={{ $('Loop').item.json.n }}")),
            COLLECT,
        ],
        "Start>Split Split>Loop Loop.1>Filter Filter>Mark Mark>Loop Loop>Collect",
    )
    assert interpreted(found.definition, ROWS) == {"collect": {"data": [{"n": 2, "mark": 2}, {"n": 3, "mark": 3}]}}
    assert interpreted(found.definition, {"rows": [{"n": 1}]}) == {}


@pytest.mark.parametrize(
    ("version", "links"),
    [
        (1, "Start>Loop Loop>A A>Loop"),  # no output for `done`
        (3, "Start>Loop Start>A Loop.1>A A>Loop"),  # the body is entered from outside
        (3, "Start>Loop Loop.1>A A>Loop Loop>A"),  # what follows is in the body
    ],
)
def test_a_loop_without_the_shape_of_one_is_a_placeholder(version: int, links: str) -> None:
    found = translate([("Loop", "splitInBatches", version, {}), ("A", "noOp", 1, {})], links)
    assert "node.placeholder" in codes(found, "Loop")
    with pytest.raises(StateError):
        interpreted(found.definition, {})


def test_a_loop_that_nothing_comes_back_to_is_said() -> None:
    found = translate([("Loop", "splitInBatches", 3, {}), ("A", "noOp", 1, {})], "Start>Loop Loop.1>A")
    assert codes(found, "Loop") == {"loop.open"}
    found = translate([("Loop", "splitInBatches", 3, {}), ("A", "noOp", 1, {})], "Start>Loop Loop>A")
    assert codes(found, "Loop") == {"loop.empty"}
    assert interpreted(found.definition, {"x": 1}) == [{"x": 1}]


def test_inside_a_loop_the_work_for_many_items_is_a_loop_of_its_own() -> None:
    call = {"url": "=https://x.example.com/{{ $json.n }}/{{ $('Loop').item.json.id }}", "method": "GET"}
    found = translate(
        [
            ("Orders", "splitOut", 1, {"fieldToSplitOut": "orders"}),
            ("Loop", "splitInBatches", 3, {}),
            SPLIT,
            ("Call", "httpRequest", 4.2, call),
            COLLECT,
        ],
        "Start>Orders Orders>Loop Loop.1>Split Split>Call Call>Loop Loop>Collect",
    )
    urls = ["1/a", "2/a", "3/b"]
    services = Services({f"GET https://x.example.com/{url}": {"url": url} for url in urls})
    value = {"orders": [{"id": "a", "rows": [{"n": 1}, {"n": 2}]}, {"id": "b", "rows": [{"n": 3}]}]}
    assert interpreted(found.definition, value, services) == {"collect": {"data": [{"url": url} for url in urls]}}


@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: [d], lambda d: {"workflow": d}, lambda d: {"data": d}])
def test_forms_of_an_export(wrap: Any) -> None:
    export = document([START, ("A", "noOp", 1, {})], "Start>A")
    assert [node["name"] for node in import_n8n(wrap(export)).definition["nodes"]] == ["A"]


def test_a_list_of_workflows_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="one workflow is imported at a time"):
        import_n8n([{}, {}])


def test_a_workflow_without_a_trigger_starts_at_its_first_nodes() -> None:
    found = import_n8n(document([("A", "noOp", 1, {}), ("B", "noOp", 1, {})], "A>B"))
    assert interpreted(found.definition, {"x": 1}) == {"x": 1}


def test_a_workflow_of_triggers_alone_is_still_a_workflow() -> None:
    found = import_n8n(document([START], ""))
    assert (found.translated, interpreted(found.definition, 5)) == (1, {"start_2": 5})


def test_lost_connections_are_said() -> None:
    found = translate([("A", "noOp", 1, {})], "Start>A A>Nobody")
    assert "connection.lost" in codes(found)
    test = {"conditions": {"conditions": [number("={{ 1 }}", "gt", 0)]}}
    found = translate([("Filter", "filter", 2, test), ("A", "noOp", 1, {})], "Start>Filter Filter.1>A")
    assert codes(found, "A") == {"connection.lost", "node.unreached"}


@pytest.mark.parametrize("name", ["input", "item", "sum", "and", "🚀", "1st", "json", "a" * 200, "Ünïcode Nôde"])
def test_every_name_becomes_an_id_that_expressions_can_use(name: str) -> None:
    read = assigned(y=f"={{{{ $('{name}').item.json.x }}}}")
    found = import_n8n(
        {
            "nodes": [
                {"name": "T", "type": f"{BASE}manualTrigger"},
                {"name": name, "type": f"{BASE}set", "typeVersion": 3.4, "parameters": assigned(x=1)},
                {"name": "Read", "type": f"{BASE}set", "typeVersion": 3.4, "parameters": read},
            ],
            "connections": {
                "T": {"main": [[{"node": name, "index": 0}]]},
                name: {"main": [[{"node": "Read", "index": 0}]]},
            },
        }
    )
    assert interpreted(found.definition, {}) == {"x": 1, "y": 1}
    assert all(len(node["id"]) <= 64 for node in nodes_of(found.definition))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("={{ $('Nobody').item.json.x }}", "there is no node 'Nobody'"),
        ("={{ $('After').item.json.x }}", "gives nothing here"),
        ("={{ $('Beside').item.json.x }}", "does not come before"),
        ("={{ $('Inner').item.json.x }}", "inside a loop"),
    ],
)
def test_what_a_node_cannot_read_is_said(source: str, reason: str) -> None:
    found = translate(
        [
            ("Beside", "noOp", 1, {}),
            ("Loop", "splitInBatches", 3, {}),
            ("Inner", "noOp", 1, {}),
            ("Read", "set", 3.4, assigned(x=source)),
            ("After", "noOp", 1, {}),
        ],
        "Start>Beside Start>Loop Loop.1>Inner Inner>Loop Loop>Read Read>After",
    )
    (line,) = [line for line in found.report if line.code == "expression.not_simple"]
    assert reason in line.message
    with pytest.raises(StateError, match=r".*") as caught:
        interpreted(found.definition, {})
    assert "TODO n8n: Read" in str(caught.value.cause)

"""What imported workflows do when they run: the same as in n8n. HTTP and models are answered by tables."""

from collections.abc import Callable
from typing import Any

import pytest

from statemachines.compiler import compile_workflow
from tests.compiler.run import Lambda, echo, interpreted, judged
from tests.compiler.strict_machine import StateError
from tests.importers.files import NOT_YET, imported

REFUSED = StateError("DestinationRefused", "403")
GIT = "https://git.example.com/issues"
ISSUES = [
    {"id": 1, "title": "a", "labels": ["bug"]},
    {"id": 2, "title": "b", "labels": []},
    {"id": 3, "title": "c", "labels": ["x", "bug"]},
]
TICKET = {
    "status": "open",
    "amount": 100,
    "vip": True,
    "due": "2026-01-01",
    "owner": "Bo",
    "tags": ["a", "b"],
}
PEOPLE = [("Ann", 30), ("Test Bob", 50), ("Cy", 17), ("Ann", 31), ("Di", 30), ("Ed", 18), ("Flo", 40)]
PRIMARY, BACKUP = "GET https://primary.example.com", "GET https://backup.example.com"
JOB = "GET https://jobs.example.com/4"


class Services:
    """Answers tasks from a table: by method and URL, or by an agent's node. Keeps what they were asked."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, payload: dict[str, Any]) -> Any:
        config = payload["config"]
        key = payload["node"] if payload["type"] == "agent" else f"{config['method']} {config['url']}"
        self.asked.append((key, config))
        answer = self.answers[key]
        if isinstance(answer, Exception):
            raise answer
        return answer if payload["type"] == "agent" else {"status": 200, "headers": {}, "body": answer}


RUNS: list[tuple[str, Any, dict[str, Any], Any]] = [
    (
        "order_to_crm",
        {
            "body": {
                "id": 7,
                "customer": {"name": " Ada ", "email": "ADA@X.org"},
                "items": [{"price": 2.5, "qty": 2}, {"price": 1, "qty": 3}],
                "note": None,
            }
        },
        {"POST https://crm.example.com/orders/7": {"id": "c1", "status": "created"}},
        {"crm_id": "c1", "email": "ada@x.org", "ok": True},
    ),
    (
        "if_v1",
        {"subject": "Re: hi", "size": 3},
        {},
        {"subject": "Re: hi", "size": 3, "seen": False, "folder": "important"},
    ),
    (
        "if_v1",
        {"subject": "all", "size": 3},
        {},
        {"subject": "all", "size": 3, "seen": False, "folder.path": "other/3"},
    ),
    ("if_v1", {"subject": "", "size": 3000}, {}, {"subject": "", "size": 3000, "seen": False, "folder": "important"}),
    ("if_v2", {"body": TICKET}, {}, {"text": "YES for Bo"}),
    ("if_v2", {"body": {**TICKET, "tags": ["a"]}}, {}, {"text": "NO for Bo"}),
    ("if_v2", {"body": {**TICKET, "vip": False}}, {}, {"text": "NO for Bo"}),
    ("if_v2", {"body": {**TICKET, "amount": None}}, {}, {"text": "NO for Bo"}),
    ("if_v2", {"body": {**TICKET, "closed": "yes"}}, {}, {"text": "NO for Bo"}),
    ("if_v2", {"body": {"status": "open"}}, {}, {"text": "NO for nobody"}),
    ("switch_v3", {"body": {"kind": "bug", "title": "t"}}, {}, {"team": "engineering", "title": "t"}),
    ("switch_v3", {"body": {"kind": "feature", "votes": 6, "title": "t"}}, {}, {"team": "product", "title": "t"}),
    ("switch_v3", {"body": {"kind": "feature", "votes": 5, "title": "t"}}, {}, {"team": "triage", "title": "t"}),
    ("switch_v1_v2", {"n": 5}, {}, {"size": "small"}),
    ("switch_v1_v2", {"n": 99}, {}, {"size": "small"}),
    ("switch_v1_v2", {"n": 100}, {}, {"size": "large"}),
    ("switch_v1_v2", {"n": 11}, {}, {"size": "odd"}),
    ("switch_v1_v2", {"n": 12}, {}, {"size": "even"}),
    (
        "loop_v3",
        {},
        {
            "GET https://api.example.com/customers": [{"id": 1}, {"id": 2}],
            "GET https://api.example.com/scores/1": {"score": 5},
            "GET https://api.example.com/scores/2": {"score": 9},
        },
        {"best": 9, "count": 2},
    ),
    (
        "loops_nested",
        {"orders": [{"lines": [1, 2]}, {"lines": [3]}, {"lines": [4]}]},
        {},
        {"data": [{"value": 2}, {"value": 4}, {"value": 6}, {"value": 8}]},
    ),
    (
        "lists",
        {"data": {"people": [{"name": name, "age": age} for name, age in PEOPLE]}},
        {},
        {"message": "1. Flo (40)\n2. Ann (30)\n3. Di (30)", "first": "1. Flo (40)", "all": 7},
    ),
    (
        "lists",
        {"data": {"people": [{"name": "Zoe", "age": 20}]}},
        {},
        {"message": "1. Zoe (20)", "first": "1. Zoe (20)", "all": 1},
    ),
    (
        "code_mapping",
        {"rows": [{"name": "a", "net": 10, "info": {"x": 1}}, {"name": "b", "net": 100}]},
        {},
        {"total": 132, "labels": ["A-x", "B-x"]},
    ),
    (
        "http_legacy",
        {"a": "1"},
        {
            "POST https://api.example.com/form": {"f": 1},
            "PUT https://api.example.com/json": "texty",
            "GET https://api.example.com/full": {"value": "v"},
        },
        {"text": "texty", "status": 200, "value": "v"},
    ),
    ("error_outputs", {"body": {"id": "i"}}, {PRIMARY: {"value": 1}}, {"from": "primary", "value": 1}),
    ("error_outputs", {"body": {"id": "i"}}, {PRIMARY: REFUSED, BACKUP: {"value": 2}}, {"from": "backup", "value": 2}),
    (
        "error_outputs",
        {"body": {"id": "i"}},
        {PRIMARY: REFUSED, BACKUP: REFUSED},
        {"from": "nowhere", "why": "DestinationRefused", "first": "i"},
    ),
    ("wait_and_dates", {"minutes": 2, "at": "2025-12-30T22:00:00.000Z"}, {}, {"formattedDate": "09.01.2026 01:00"}),
    ("subworkflow_child", {"sku": "A-1", "count": 2}, {}, {"price": 7, "sku": "A-1", "meta": {"known": True}}),
    ("subworkflow_child", {"sku": "zzz"}, {}, {"price": None, "meta": {"known": False}}),
    ("several_triggers", {"body": {"name": "Ada"}}, {}, {"text": "Hello night"}),
    (
        "agent",
        {"chatInput": "Hi"},
        {"ai_agent": "Hello!", "summarise": "short"},
        {"answer": "Hello!", "summary": "short"},
    ),
    ("cycle", {"id": 4}, {JOB: {"state": "ready", "result": "r"}}, {"result": "r"}),
    ("respond", {"body": {"email": "a@b"}}, {}, {"done": "a@b"}),
]


RUN = ("name", "value", "answers", "expected")


def _label(part: Any) -> str:
    return part if isinstance(part, str) else ""


def outcome(machine: Callable[..., Any], definition: dict[str, Any], value: Any, work: Lambda = echo) -> Any:
    """The workflow's output; where it has none, what the only sink that ran gave."""
    result = machine(definition, value, work)
    if "output" in definition:
        return result
    (only,) = result.values()
    return only


@pytest.mark.parametrize(RUN, RUNS, ids=_label)
def test_an_imported_workflow_does_what_it_did(name: str, value: Any, answers: dict[str, Any], expected: Any) -> None:
    services = Services(answers)
    assert outcome(interpreted, imported(name).definition, value, services) == expected
    assert {key for key, _ in services.asked} == set(answers)


def test_a_request_is_what_n8n_would_send() -> None:
    order = RUNS[0]
    services = Services(order[2])
    interpreted(imported("order_to_crm").definition, order[1], services)
    ((_, sent),) = services.asked
    assert sent["query"] == {"source": "shop"}
    assert sent["headers"] == {"X-Request-Id": "0198f0e0-0000-7000-8000-000000000001"}
    assert sent["body"] == {"name": "Ada", "total": 8, "tags": ["new", "x.org"], "raw": order[1]["body"]["items"]}


def test_old_versions_of_the_request() -> None:
    (case,) = [case for case in RUNS if case[0] == "http_legacy"]
    services = Services(case[2])
    interpreted(imported("http_legacy").definition, case[1], services)
    form, as_json, full = (config for _, config in services.asked)
    assert (form["body"], form["body_type"], form["query"]) == ({"a": "1", "b": "2"}, "form", {"q": "x y"})
    assert (as_json["body"], as_json["headers"]) == ({"form": {"f": 1}, "fixed": [1, 2]}, {"X-A": "1"})
    assert (full["headers"], full["follow_redirects"]) == ({"X-Text": "ok"}, False)


def test_each_of_many_items_goes_its_own_way() -> None:
    services = Services(
        {
            f"GET {GIT}": ISSUES,
            f"POST {GIT}/1/comments": {"comment": 11},
            f"POST {GIT}/3/comments": REFUSED,
        }
    )
    result = interpreted(imported("many_items").definition, {}, services)
    assert result == {
        "ignore": [{"id": 2, "title": "b", "ignored": True}],
        "commented": [{"comment": 11}],
        "not_commented": [{"failed": "DestinationRefused"}],
    }
    assert [config["body"] for key, config in services.asked if key.startswith("POST")] == [
        {"text": "Looking at a"},
        {"text": "Looking at c"},
    ]


def test_what_gets_no_items_does_not_run() -> None:
    services = Services({f"GET {GIT}": [ISSUES[1]]})
    assert interpreted(imported("many_items").definition, {}, services) == {
        "ignore": [{"id": 2, "title": "b", "ignored": True}]
    }
    assert interpreted(imported("lists").definition, {"data": {"people": []}}) == {}
    assert interpreted(imported("lists").definition, {"data": {"people": [{"name": "Cy", "age": 17}]}}) == {}


def test_joins() -> None:
    value = {
        "orders": [{"customer": 1, "sku": "a"}, {"customer": 3, "sku": "b"}],
        "customers": [{"customer": 1, "name": "Ann"}, {"customer": 2, "name": "Bo"}],
    }
    matched = {"customer": 1, "sku": "a", "name": "Ann"}
    assert interpreted(imported("merges").definition, value) == {
        "rows": [
            matched,  # only matches
            matched,  # input 1, enriched
            {"customer": 3, "sku": "b"},
            matched,  # by position, where input 1 wins
            {"customer": 3, "name": "Bo", "sku": "b"},
        ]
    }


def test_every_kind_of_expression() -> None:
    value = {
        "user": {"name": "Ada", "id": 1, "first name": "A"},
        "empty": "",
        "flag": True,
        "count": 3,
        "tags": ["x"],
        "csv": "a, b,b ",
        "price": 10,
        "list": [{"id": 1, "on": True, "label": "l1"}, {"id": 2, "on": False, "label": "l2"}],
        "extra": {"e": 1},
        "text": "40",
        "nothing": None,
    }
    definition = {**imported("expressions").definition, "output": ["{% $expressions %}", "{% $input_2 %}"]}
    first, second = interpreted(definition, value)
    assert first == {
        "plain": "just text",
        "marks": "{% not ours %}",
        "path": "Ada",
        "bracket": "A",
        "optional": "none",
        "or": "fallback",
        "and": True,
        "ternary": "many",
        "mix": "Hi Ada, you have 3 of 1.",
        "template": "Ada: 4",
        "upper": "ADA",
        "split": ["a", " b", "b "],
        "parts": "a|b|b",
        "replace": "a,B,B",
        "includes": True,
        "starts": True,
        "slice": "a,",
        "math": 16,
        "fixed": "3.33",
        "filter": [1],
        "find": "l2",
        "some": False,
        "every": True,
        "object": {"id": 1, "tags": ["x", "new"], "e": 1},
        "json": '{"e":1}',
        "parse": 42,
        "strict": True,
        "loose": True,
        "keys": ["e"],
        "nested": {"deep": {"value": 1}, "other": "x"},
        "number": 42,
        "bool": True,
        "arr": [1, "a"],
        "obj": {"a": {"b": None}},
        "if": "on",
        "not": True,
    }
    assert second == {"first": "just text", "again": "Hi Ada, you have 3 of 1.", "count": 1}


@pytest.mark.parametrize("vip", [True, False])
def test_a_placeholder_fails_where_it_is_reached(vip: bool) -> None:
    with pytest.raises(StateError) as caught:
        interpreted(imported("placeholders").definition, {"body": {"vip": vip}})
    expected = "TODO n8n: Python (n8n-nodes-base.code) is not translated" if vip else "TODO n8n: Plain"
    assert expected in str(caught.value.cause)


def test_a_connection_back_that_is_no_loop_fails_when_it_is_taken() -> None:
    with pytest.raises(StateError) as caught:
        interpreted(imported("cycle").definition, {"id": 4}, Services({JOB: {"state": "running"}}))
    assert "closes a cycle" in str(caught.value.cause)


def test_stop_and_error_stops_with_its_message() -> None:
    with pytest.raises(StateError) as caught:
        interpreted(imported("respond").definition, {"body": {"email": "nobody"}})
    assert "Bad address: nobody" in str(caught.value.cause)


@pytest.mark.parametrize(
    ("trigger", "text"), [("webhook", "Hello Ada"), ("schedule", "Hello night"), ("manual", "Hello night")]
)
def test_triggers_start_what_they_started(trigger: str, text: str) -> None:
    definition = imported("several_triggers").definition
    definition = {**definition, "nodes": [dict(node) for node in definition["nodes"]]}
    # The harness has no trigger of its own: the condition reads it of the input here.
    which = definition["nodes"][0]
    assert which["name"] == "Which trigger?"
    cases = [
        {**case, "when": case["when"].replace("$execution.trigger.type", "$input.trigger")}
        for case in which["config"]["cases"]
    ]
    which["config"] = {**which["config"], "cases": cases}
    assert outcome(interpreted, definition, {"trigger": trigger, "body": {"name": "Ada"}}) == {"text": text}


# Batches need $partition, which only Step Functions and the interpreter have.
@pytest.mark.parametrize(RUN, [run for run in RUNS if run[0] != "loops_nested"], ids=_label)
def test_the_strict_machine_agrees(name: str, value: Any, answers: dict[str, Any], expected: Any) -> None:
    assert outcome(judged, imported(name).definition, value, Services(answers)) == expected


@pytest.mark.parametrize("name", ["subworkflow_parent", "agent_with_tools", "credentials_and_approval"])
def test_what_the_compiler_does_not_build_yet_is_said(name: str) -> None:
    found = imported(name)
    unbuilt = {line.id for line in found.report if line.code == NOT_YET}
    if not unbuilt:
        compile_workflow(found.definition)
    assert unbuilt <= {node["id"] for node in found.definition["nodes"]}

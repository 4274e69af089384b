"""What is said of a history's and a payload's size is what happens."""

from typing import Any

import pytest

from shared.errors import Diagnostic, InvalidDefinition
from shared.executions.records import ExecutionStatus
from statemachines.compiler import compile_workflow
from tests.compiler.run import Worker, compiled, echo, played

CALL = {"type": "tool", "config": {"tool": "t"}, "retry": {"max_attempts": 1}}


def pages(calls: int, **config: Any) -> dict[str, Any]:
    """A loop whose body makes some calls, one after the other."""
    nodes = [{"id": f"n{index}", **CALL} for index in range(calls)]
    edges = [{"from": f"n{index}", "to": f"n{index + 1}"} for index in range(calls - 1)]
    body = {"nodes": nodes, "edges": edges, "output": True}
    loop = {"kind": "for_each", "mode": "inline", "items": "{% $input %}", "body": body, **config}
    return {"name": "pages", "nodes": [{"id": "pages", "type": "loop", "config": loop}]}


def rounds(most: int, attempts: int = 1) -> dict[str, Any]:
    body = {"nodes": [{"id": "ask", **CALL, "retry": {"max_attempts": attempts}}]}
    loop = {"kind": "while", "condition": "{% true %}", "max_iterations": most, "body": body}
    return {"name": "rounds", "nodes": [{"id": "poll", "type": "loop", "config": loop}]}


def said(definition: dict[str, Any]) -> list[Diagnostic]:
    """Errors, or else warnings."""
    try:
        return compile_workflow(definition).warnings
    except InvalidDefinition as error:
        return list(error.diagnostics)


def codes(definition: dict[str, Any]) -> list[str]:
    return [each.code for each in said(definition)]


@pytest.mark.timeout(60)
def test_as_many_items_as_a_warning_says_fit_and_hardly_more():
    definition = pages(12)
    (warning,) = said(definition)
    assert (warning.code, warning.node) == ("limit.history_items", "pages")
    fits = warning.allowed
    assert 200 < fits < 1_000

    workflow = compiled(definition)
    fitting, _ = played(workflow, [1] * fits, Worker(echo))
    bursting, events = played(workflow, [1] * (fits + 2), Worker(echo))

    assert fitting.status == ExecutionStatus.SUCCEEDED
    assert bursting.status == ExecutionStatus.FAILED
    assert len(events) == 25_000


def test_short_bodies_and_known_lists_are_not_worth_a_warning():
    assert codes(pages(1)) == []
    assert codes(pages(12, max_items=100)) == []
    assert codes(pages(12, mode="distributed")) == []
    assert codes({**pages(12, mode="auto"), "settings": {"mode": "express", "timeout_seconds": 60}}) == []


def test_the_bound_of_a_loop_decides_between_nothing_a_warning_and_an_error():
    assert codes(rounds(1_000)) == []
    assert codes(rounds(1_000, attempts=9)) == ["limit.history_retries"]
    assert codes(rounds(9_000)) == ["limit.history"]


def test_the_longest_loop_that_is_allowed_runs_to_its_bound():
    """One event more would have been an error."""
    most = next(most for most in range(4_000, 2_000, -1) if codes(rounds(most)) == [])
    change, events = played(compiled(rounds(most)), None, Worker(echo))

    assert codes(rounds(most + 1)) == ["limit.history"]
    assert change.error is not None
    assert change.error["name"] == "LoopLimitExceeded"
    assert 25_000 - 20 < len(events) <= 25_000


@pytest.mark.parametrize(("size", "expected"), [(262_000, []), (262_200, ["limit.payload"])])
def test_a_text_that_no_state_can_hand_on_is_an_error(size: int, expected: list[str]):
    node = {"id": "a", "type": "transform", "config": {"output": "x" * size}}
    assert codes({"name": "text", "nodes": [node], "output": "{% $a %}"}) == expected


def test_what_an_expression_will_give_is_not_counted():
    node = {"id": "a", "type": "transform", "config": {"output": f"{{% '{'x' * 300_000}' ? 1 : 2 %}}"}}
    assert codes({"name": "text", "nodes": [node]}) == []


def forked(sizes: tuple[int | None, int | None]) -> dict[str, Any]:
    def fetch(name: str, size: int | None) -> dict[str, Any]:
        return {
            "id": name,
            "type": "webhook",
            "config": {"url": "https://x/"} | ({"max_response_bytes": size} if size else {}),
        }

    nodes = [fetch("a", sizes[0]), fetch("b", sizes[1])]
    nodes.append({"id": "both", "type": "transform", "config": {"output": "{% [$a.body, $b.body] %}"}})
    return {"name": "fork", "nodes": nodes, "edges": [{"from": "a", "to": "both"}, {"from": "b", "to": "both"}]}


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((150_000, 150_000), ["limit.payload_together"]),
        ((100_000, 100_000), []),
        ((None, None), []),  # nothing is said of them, so nothing is known
        ((5_000_000, 1_000), []),  # what is above 200,000 bytes is handed in
    ],
)
def test_answers_that_meet_in_one_state(sizes: tuple[int | None, int | None], expected: list[str]):
    assert codes(forked(sizes)) == expected


def fetching(size: int, **config: Any) -> dict[str, Any]:
    """A loop whose body keeps an answer."""
    fetch = {"id": "fetch", "type": "webhook", "config": {"url": "https://x/", "max_response_bytes": size}}
    use = {"id": "use", "type": "webhook", "config": {"url": "https://y/", "body": "{% $fetch.body %}"}}
    after = {"id": "after", "type": "webhook", "config": {"url": "https://y/", "body": "{% $fetch.status %}"}}
    edges = [{"from": "fetch", "to": "use"}, {"from": "use", "to": "after"}]
    body = {"nodes": [fetch, use, after], "edges": edges, "output": True}
    loop = {"kind": "for_each", "items": "{% $input %}", "max_items": 20, "body": body, **config}
    inner = {"id": "inner", "type": "loop", "config": loop}
    outer = {**loop, "max_concurrency": 5, "mode": "inline", "body": {"nodes": [inner], "output": True}}
    return {"name": "fetching", "nodes": [{"id": "outer", "type": "loop", "config": outer}]}


def test_answers_that_are_kept_at_the_same_time():
    """5 times 20 of them, or, where the inner loop's items are executions of their own, one in each."""
    assert "limit.payload_together" in codes(fetching(120_000, max_concurrency=20))
    assert "limit.payload_together" not in codes(fetching(80_000, max_concurrency=20))
    assert "limit.payload_together" not in codes(fetching(120_000, max_concurrency=20, mode="distributed"))


def test_a_list_of_many_outputs():
    assert codes(pages(1, mode="distributed", max_items=50_000)) == ["limit.payload_list"]
    assert codes(pages(1, mode="distributed", max_items=1_000)) == []
    unread = {**pages(1, mode="distributed", max_items=50_000), "output": "done"}
    assert codes(unread) == []

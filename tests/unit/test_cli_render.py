"""Progress as people and scripts see it."""

import io
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from rich.console import Console

from local.cli import render
from local.cli.client import MillraceClient
from local.cli.render import duration, follow, node_line, why
from local.cli.shapes import Change

CHANGES = [
    Change("2", "execution", {"status": "running"}),
    Change("3", "node", {"node": "classify", "type": "agent", "status": "running", "attempts": 1}),
    Change("3", "node", {"node": "classify", "type": "agent", "status": "running", "attempts": 1}),
    Change("4", "node", {"node": "shape", "type": "transform", "status": "running", "attempts": 1}),
    Change("5", "node", {"node": "shape", "type": "transform", "status": "succeeded", "duration_ms": 0.4}),
    Change(
        "7",
        "node",
        {
            "node": "classify",
            "type": "agent",
            "status": "succeeded",
            "attempts": 2,
            "duration_ms": 1234.5,
            "meta": {"stand_in": True, "model": "demo:triage"},
        },
    ),
    Change("8", "node", {"node": "page", "type": "tool", "status": "skipped"}),
    Change("9", "execution", {"status": "succeeded"}),
]


class Scripted(MillraceClient):
    """A client whose watch plays a script."""

    async def watch(self, execution_id: str, *, after: str = "") -> AsyncIterator[Change]:
        for change in CHANGES:
            yield change

    async def execution(self, execution_id: str) -> Any:
        return {"id": execution_id, "status": "succeeded"}


async def played(*, terminal: bool, encoding: str = "utf-8") -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=stream, force_terminal=terminal, width=100, highlight=False, color_system=None)
    async with Scripted() as client:
        execution = await follow(client, "e1", console)
    assert execution["status"] == "succeeded"
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


async def test_an_end_that_is_recorded_after_it_was_told_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(render, "LOOK_SECONDS", 0)

    class Late(Scripted):
        rows = iter(["running", "running", "failed"])

        async def execution(self, execution_id: str) -> Any:
            return {"id": execution_id, "status": next(self.rows)}

    async with Late() as client:
        assert (await follow(client, "e1", Console(file=io.StringIO())))["status"] == "failed"


async def test_in_a_pipe_every_change_is_a_plain_line():
    lines = (await played(terminal=False)).splitlines()

    assert lines == [
        "  ▸ classify                 agent        running",
        "  ✓ shape                    transform       0 ms",
        "  ✓ classify                 agent          1.2 s  stand-in  demo:triage  attempt 2",
        "  ↷ page                     tool                  skipped",
    ]


async def test_where_the_output_is_not_utf8_symbols_are_ascii():
    assert (await played(terminal=False, encoding="ascii")).splitlines()[1].startswith("  + shape")


async def test_on_a_terminal_finished_nodes_stay_and_running_ones_are_live():
    shown = await played(terminal=True)

    assert "✓ shape" in shown
    assert "▸ classify" not in shown
    assert "✓ classify" in shown
    assert "stand-in" in shown


async def test_as_json_every_change_is_one_object_a_line(capsys: pytest.CaptureFixture[str]):
    async with Scripted() as client:
        await follow(client, "e1", Console(file=io.StringIO()), as_json=True)

    lines = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == [change.kind for change in CHANGES]
    assert lines[5]["meta"] == {"stand_in": True, "model": "demo:triage"}


@pytest.mark.parametrize(
    ("milliseconds", "told"),
    [
        (None, ""),
        (0, "0 ms"),
        (7.4, "7 ms"),
        (999.4, "999 ms"),
        (999.6, "1.0 s"),
        (59_900, "59.9 s"),
        (59_990, "1 min 00 s"),
        (187_000, "3 min 07 s"),
        (3_599_800, "60 min 00 s"),
    ],
)
def test_durations(milliseconds: float | None, told: str):
    assert duration(milliseconds) == told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, ""),
        ({"name": "States.Timeout", "cause": ""}, "States.Timeout"),
        ({"name": "DestinationRefused", "cause": "It said 404."}, "DestinationRefused: It said 404."),
        (
            {"name": "DestinationRefused", "cause": '{"errorMessage": "It said 404.", "errorType": "x"}'},
            "DestinationRefused: It said 404.",
        ),
        ({"name": "Custom", "cause": '{"other": 1}'}, 'Custom: {"other": 1}'),
        ({"name": "Custom", "cause": "[1"}, "Custom: [1"),
    ],
)
def test_errors_show_the_message_alone(error: dict[str, Any] | None, told: str):
    assert why(error) == told


def test_text_of_a_workflow_is_not_read_as_markup():
    line = node_line(
        {"node": "a", "type": "tool", "status": "failed", "error": {"name": "E", "cause": "[bold]x[/bold] [/]"}}
    )

    assert line.plain.endswith("E: [bold]x[/bold] [/]")


def test_a_condition_shows_its_case_and_an_iteration_its_number():
    line = node_line(
        {"node": "route", "type": "condition", "status": "succeeded", "iteration": 3, "output": {"case": "x"}}
    )

    assert "route [3]" in line.plain
    assert line.plain.endswith("  x")

"""The timing diagrams of docs/flow-control.md, drawn again from the simulation."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.executions.flow import Action
from shared.executions.flow_simulation import SimulatedArrival, Simulation, Step
from shared.workflow.flow_control import FlowControl

PAGE = (Path(__file__).parents[2] / "docs" / "flow-control.md").read_text()
FOUND = re.findall(r"^`(\w+: \{[^`]*\})`(.*?)\n\n```\n(.*?)```", PAGE, flags=re.MULTILINE | re.DOTALL)
T0 = datetime(2026, 11, 23, tzinfo=UTC)
INDENT = 11


def rows(diagram: str) -> dict[str, str]:
    """What each line shows, by its name; a column is a second."""
    return {line[:INDENT].strip(): line[INDENT:] for line in diagram.splitlines()}


def second(step: Step) -> int:
    return int((step.at - T0).total_seconds())


@pytest.mark.parametrize(("setting", "about", "diagram"), FOUND, ids=[each[0] for each in FOUND])
def test_a_diagram_is_what_happens(setting: str, about: str, diagram: str):
    control = FlowControl.model_validate(yaml.safe_load(f"{{{setting}}}"))
    lasting = timedelta(seconds=4 if "four seconds" in about else 1)
    shown = rows(diagram)
    marks = [(column, mark) for column, mark in enumerate(shown["arrivals"]) if mark != " "]
    arrivals = [
        SimulatedArrival(str(number) if mark == "▼" else mark, T0 + timedelta(seconds=column), duration=lasting)
        for number, (column, mark) in enumerate(marks, start=1)
    ]

    timeline = Simulation(control).run(arrivals)

    assert drawn(shown.keys() - {"second", "arrivals"}, arrivals, timeline) == {
        name: line.rstrip() for name, line in shown.items() if name not in ("second", "arrivals")
    }


def drawn(names: Any, arrivals: list[SimulatedArrival], timeline: list[Step]) -> dict[str, str]:
    """The lines of these names."""
    lines: dict[str, list[str]] = {name: [" "] * 40 for name in names}
    times = {(step.action, step.id): second(step) for step in timeline}
    last = {step.into: step.id for step in timeline if step.action is Action.MERGED}
    for arrival in arrivals:
        at = int((arrival.at - T0).total_seconds())
        begun = times.get((Action.BEGUN, arrival.id))
        if "taken" in lines:
            lines["taken"][at] = "✗" if (Action.REFUSED, arrival.id) in times else "✓"
        elif "begins" in lines and begun is not None:
            lines["begins"][begun] = last.get(arrival.id, arrival.id)
        elif begun is not None and arrival.id in lines:
            until = times["ended", arrival.id]
            lines[arrival.id][at:until] = "·" * (begun - at) + "█" * (until - begun)
    return {name: "".join(line).rstrip() for name, line in lines.items()}


def test_every_setting_that_takes_time_is_drawn():
    assert {each[0].partition(":")[0] for each in FOUND} == {
        "concurrency",
        "throttle",
        "rate_limit",
        "debounce",
        "batch",
    }

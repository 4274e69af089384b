"""What docs/operations.md says that Millrace costs adds up, and is what the plan of the workflow says."""

import re

from shared.workflow.load import load_text
from statemachines.compiler import compile_workflow
from statemachines.plan import Planner
from tests.docs.extract import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
ZONES, ENDPOINTS = 2, 3


def rows(heading: str) -> dict[str, list[str]]:
    """The rows of the first table after a text, by their first cell."""
    table = PAGE[PAGE.index(heading) :].partition("|---|")[2].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]
    return {name: values for name, *values in cells}


def numbers(cell: str) -> float:
    """What a cell adds up to: amounts that stand before what they are for."""
    return sum(float(each) for each in re.findall(r"(?:^|, and )([\d.]+)", cell))


def test_a_million_executions_cost_what_the_plan_and_the_rest_add_up_to():
    found = {name: float(value) for name, (value,) in rows("A million executions a month").items()}
    total = found.pop("in all")
    compiled = compile_workflow(load_text((ROOT / "examples" / "w5" / "workflow.yaml").read_text()))
    plan = Planner(compiled.definition, compiled.asl, compiled.source_map).plan()
    spent = plan.worst_without_retries.dollars

    assert round(sum(found.values())) == total
    assert round((spent.step_functions + spent.lambdas) * 1_000_000) == next(iter(found.values()))


def test_what_idle_environments_cost_adds_up():
    found = rows("Idle, in us-east-1")
    dev = sum(numbers(values[0]) for values in found.values())
    prod = sum(numbers(values[1]) for values in found.values()) + 7 * (ZONES * ENDPOINTS - 1)

    told = re.search(r"`dev` therefore idles at about (\d+) dollars.*?and `prod` at about (\d+)", PAGE, re.DOTALL)
    assert told is not None
    assert abs(int(told[1]) - dev) < 3
    assert abs(int(told[2]) - prod) < 3

"""The command `plan`: what a workflow costs."""

from pathlib import Path
from typing import TYPE_CHECKING

from local.cli.definitions import compiled_file
from local.cli.failures import ExitCode
from local.cli.render import json_line
from local.cli.session import Session

if TYPE_CHECKING:
    from statemachines.plan import Plan, Spend
    from statemachines.plan.model import Count
    from statemachines.plan.prices import Function

NO_BOUND = "no bound"


def plan_file(session: Session, file: Path, items: int | None) -> ExitCode:
    """Shows what an execution of a definition takes, without a server."""
    from statemachines.plan import Planner  # noqa: PLC0415 - only this command needs it

    compiled = compiled_file(file)
    planner = Planner(compiled.definition, compiled.asl, compiled.source_map, assumed_items=items)
    plan = planner.plan()
    if session.as_json:
        json_line(plan.model_dump(mode="json"))
    else:
        _show(session, plan)
    return ExitCode.OK


def _show(session: Session, plan: "Plan") -> None:
    columns = ("ONE EXECUTION", "BEST", "WORST", "WITHOUT RETRIES")
    cases = (plan.best, plan.worst, plan.worst_without_retries)
    session.rows(columns, [(name, *cells) for name, cells in _rows(plan.mode, cases)])
    for note in plan.notes:
        session.line(note)
    if plan.unbounded:
        session.note("Give such a loop `max_items`, or assume a length: --items 100.")
    assumed = ", ".join(f"{name} {each.memory_mb} MB {each.seconds:g} s" for name, each in _used(plan).items())
    dated = max(price.as_of for price in plan.prices.values())
    session.note(
        f"Prices of {plan.region}, {dated}, without free tiers." + (f" Assumed: {assumed}." if assumed else "")
    )


def _rows(mode: str, cases: "tuple[Spend, ...]") -> list[tuple[str, list[str]]]:
    functions = sorted({name for each in cases for name in each.lambda_calls})
    workflows = sorted({name for each in cases for name in each.executions})
    rows = [] if mode == "express" else [("state transitions", [_count(each.transitions) for each in cases])]
    rows += [(f"calls of {name}", [_count(each.lambda_calls.get(name, 0)) for each in cases]) for name in functions]
    rows += [(f"starts of {name}", [_count(each.executions.get(name, 0)) for each in cases]) for name in workflows]
    rows.append(("GB-seconds", [_number(each.gb_seconds) for each in cases]))
    rows.append(("history events", [_count(each.events) for each in cases]))
    if "agent" in functions:
        rows.append(("tokens", [_count(each.tokens) for each in cases]))
    rows.append(("seconds", [_number(each.seconds) for each in cases]))
    rows.append(("AWS, $ for 1,000", [_dollars(each.dollars.step_functions, each.dollars.lambdas) for each in cases]))
    if "agent" in functions:
        rows.append(("models, $ for 1,000", [_dollars(each.dollars.models) for each in cases]))
    return rows


def _used(plan: "Plan") -> dict[str, "Function"]:
    calls = plan.worst.lambda_calls
    return {name: each for name, each in plan.assumptions.functions.items() if name in calls}


def _count(count: "Count | None") -> str:
    return NO_BOUND if count is None else f"{count:,}"


def _number(number: float | None) -> str:
    return NO_BOUND if number is None else f"{number:,.3f}".rstrip("0").rstrip(".")


def _dollars(*parts: float | None) -> str:
    known = [part for part in parts if part is not None]
    return f"{sum(known) * 1000:,.4f}" if len(known) == len(parts) else NO_BOUND

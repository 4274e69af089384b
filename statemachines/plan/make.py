"""A plan, out of a compiled workflow."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, cast

from shared.workflow.definition import WorkflowDefinition
from shared.workflow.model_prices import dearest_token
from statemachines.asl.limits import MAX_EXPRESS_SECONDS
from statemachines.plan import notes
from statemachines.plan.amounts import CALL, EVENTS, MODEL_DOLLARS, SECONDS, START, TOKENS, TRANSITIONS, Amounts
from statemachines.plan.bounds import all_nodes, bounds_of
from statemachines.plan.model import Dollars, Expected, Plan, Spend
from statemachines.plan.paths import Case, Walk
from statemachines.plan.prices import Prices, price_list
from statemachines.plan.recorded import BUSY, Event, amounts_of, mean
from statemachines.plan.work import Work

if TYPE_CHECKING:
    from statemachines.asl.model import Machine


class Planner:
    """Plans one version of a workflow: its definition, and what it compiled to."""

    def __init__(
        self,
        definition: WorkflowDefinition,
        asl: Mapping[str, Any],
        source_map: Mapping[str, Any],
        *,
        prices: Prices | None = None,
        assumed_items: int | None = None,
    ) -> None:
        """`assumed_items` is how long lists are taken to be that nothing bounds; None: they have no bound."""
        self.definition, self.asl = definition, cast("Machine", asl)
        self.meanings: Mapping[str, Any] = source_map["states"]
        self.prices = prices or price_list()
        self.assumed_items = assumed_items
        self.mode = definition.settings.mode

    def plan(self, runs: Sequence[Amounts] = (), version: int | None = None) -> Plan:
        """The plan; with `runs`, as `amounts_of` counts them, also what is expected."""
        walks = {case: self._walk(case) for case in Case}
        spends = {case: self.spend(walk.execution(self.asl)) for case, walk in walks.items()}
        worst = walks[Case.WORST]
        fused, barriers = notes.fused(self.meanings), notes.barriers(self.asl, self.meanings, self.definition)
        unbounded = list(worst.unbounded) if self.assumed_items is None else []
        return Plan(
            workflow=self.definition.name,
            version=version,
            mode=self.mode,
            region=self.prices.region,
            best=spends[Case.BEST],
            worst=spends[Case.WORST],
            worst_without_retries=spends[Case.NO_RETRIES],
            expected=Expected(executions=len(runs), spend=self.spend(mean(runs))) if runs else None,
            child_events={state: _whole(events) for state, events in worst.children.items()},
            unbounded=unbounded,
            fused=fused,
            barriers=barriers,
            notes=notes.lines(fused, barriers, unbounded),
            assumptions=self.prices.assumptions,
            prices=self.prices.items,
        )

    def of_run(self, history: Sequence[Event], children: Sequence[Sequence[Event]] = ()) -> Spend:
        """What one recorded execution took."""
        return self.spend(amounts_of(history, children))

    def spend(self, amounts: Amounts) -> Spend:
        """Amounts with their price."""
        longest = self.definition.settings.timeout_seconds
        seconds = min(amounts.get(SECONDS, 0), longest, MAX_EXPRESS_SECONDS if self.mode == "express" else inf)
        amounts = Amounts({**amounts, SECONDS: seconds})
        calls, busy = amounts.of(CALL), amounts.of(BUSY)
        gb_seconds = self.prices.gb_seconds(calls, busy)
        return Spend(
            transitions=_count(amounts[TRANSITIONS] - 1 + self.prices.transitions_at_start),
            lambda_calls={name: _count(number) for name, number in sorted(calls.items())},
            gb_seconds=_finite(gb_seconds),
            executions={name: _count(number) for name, number in sorted(amounts.of(START).items())},
            events=_count(amounts[EVENTS]),
            tokens=_count(amounts.get(TOKENS, 0)),
            seconds=_finite(seconds),
            dollars=self._dollars(amounts, sum(calls.values()), gb_seconds),
        )

    def _dollars(self, amounts: Amounts, calls: float, gb_seconds: float) -> Dollars:
        machine = self.prices.step_functions(amounts, self.mode)
        lambdas, models = self.prices.lambdas(calls, gb_seconds), amounts.get(MODEL_DOLLARS, 0)
        return Dollars(
            step_functions=_finite(machine),
            lambdas=_finite(lambdas),
            models=_finite(models),
            total=_finite(machine + lambdas + models),
        )

    def _walk(self, case: Case) -> Walk:
        work = Work(self.prices.seconds(), dearest_token)
        return Walk(self.meanings, bounds_of(all_nodes(self.definition)), case, work, self.assumed_items)


def _finite(number: float) -> float | None:
    return None if number == inf else number


def _count(number: float) -> int | float | None:
    if number == inf:
        return None
    return int(number) if number == int(number) else number


def _whole(number: float) -> int | None:
    return None if number == inf else int(number)

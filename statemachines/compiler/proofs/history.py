"""Whether a history can reach the 25,000 events at which Step Functions ends a standard execution.

The bound is that of `statemachines.plan.paths`: no execution writes more events than its worst case, but for a redrive.
What of it is the author's own bound is an error, what only bad luck or a long list could bring is a warning:

  certain   with `max_items`, `max_iterations` and `max_turns` reached, nothing tried again: an error
  retries   the same with every retry used: a warning
  lists     with a `for_each` that nothing bounds, where fewer than REALISTIC_ITEMS items would fit: a warning

A list that nothing bounds counts as one item in the first two, and what an agent calls in one turn as one call.
"""

from typing import Any

from shared.workflow.definition import ForEachConfig, LoopNode, Node
from statemachines.asl.limits import MAX_HISTORY_EVENTS
from statemachines.compiler.compilation import Compilation
from statemachines.plan.amounts import EVENTS
from statemachines.plan.bounds import bounds_of
from statemachines.plan.paths import Case, Walk

REALISTIC_ITEMS = 1_000
"""A loop that takes so many items is not worth a warning: who has longer lists reads what `max_items` is for."""

_SMALLER = (
    "Lower `max_items`, `max_iterations` or `max_turns`, use `mode: distributed`, or move a part into a workflow of "
    "its own, run by a node of type `workflow`."
)


def history(compilation: Compilation) -> None:
    """Adds a diagnostic for each history that could grow too long."""
    if compilation.settings.mode == "express":
        return  # https://docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html: no bound
    proof = _Proof(compilation)
    stated = proof.walked(Case.NO_RETRIES)
    if _too_long(stated):
        proof.certain(stated)
        return
    if _too_long(retried := proof.walked(Case.WORST)):
        proof.by_retries(retried)
    if proof.lists(stated) and _too_long(proof.walked(Case.NO_RETRIES, REALISTIC_ITEMS)):
        proof.by_lists(stated)


Histories = dict[str, float]
"""Events by the distributed loop whose items have this history; that of the workflow itself is under ''."""


def _too_long(walk: "_Walked") -> bool:
    return any(events > MAX_HISTORY_EVENTS for events in walk.histories.values())


class _Walked:
    def __init__(self, walk: Walk, compilation: Compilation) -> None:
        events = walk.execution(compilation.asl)[EVENTS]
        self.histories: Histories = {**walk.children, "": events}
        self.containers = walk.containers
        self.unbounded = list(walk.unbounded)

    @property
    def longest(self) -> tuple[str, int]:
        """Of the histories that are too long, the innermost: whose it is, and its events."""
        whose = next(whose for whose, events in self.histories.items() if events > MAX_HISTORY_EVENTS)
        return whose, int(self.histories[whose])


class _Proof:
    def __init__(self, compilation: Compilation) -> None:
        self.compilation = compilation
        specs = (node.spec for node in compilation.nodes.values())
        self.bounds = bounds_of(spec for spec in specs if spec is not None)

    def walked(self, case: Case, items: int = 1) -> _Walked:
        states = self.compilation.states
        walk = Walk(states, self.bounds, case, assumed_items=items, assumed_calls=1)
        return _Walked(walk, self.compilation)

    def certain(self, walked: _Walked) -> None:
        whose, events = walked.longest
        message = f"{self.subject(whose)} may write {events} events into its history, without a single retry."
        self.compilation.error("limit.history", **self.where(walked, whose), message=message, **_more(events, _SMALLER))

    def by_retries(self, walked: _Walked) -> None:
        whose, events = walked.longest
        message = f"{self.subject(whose)} may write {events} events into its history if every retry is used."
        fix = f"Lower `retry.max_attempts`. {_SMALLER}"
        where = self.where(walked, whose)
        self.compilation.warn("limit.history_retries", **where, message=message, **_more(events, fix))

    def lists(self, walked: _Walked) -> list[str]:
        """The loops whose list may have any length."""
        nodes = [self.compilation.states[state]["node"] for state in walked.unbounded]
        return [node for node in nodes if node is not None and _is_for_each(self.compilation.nodes[node].spec)]

    def by_lists(self, walked: _Walked) -> None:
        fits = self.most_items()
        loops = self.lists(walked)
        node = self.compilation.nodes[loops[0]]
        message = f"With more than about {fits} items in {_listed(loops)}, the history grows too long and ends the run."
        fix = "Give `max_items`, or use `mode: distributed`."
        self.compilation.warn(
            "limit.history_items", f"{node.path}.config", message, node=node.id, allowed=fits, fix=fix
        )

    def most_items(self) -> int:
        """How many items every list may have."""
        low, high = 1, REALISTIC_ITEMS
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if _too_long(self.walked(Case.NO_RETRIES, middle)) else (middle, high)
        return low

    def subject(self, whose: str) -> str:
        return f"An item of '{whose}'" if whose else "An execution"

    def where(self, walked: _Walked, whose: str) -> dict[str, str]:
        """The innermost node that alone is too much; else the loop whose items are, or the workflow."""
        nodes = (
            self.compilation.states[state]["node"]
            for state, events in walked.containers.items()
            if events > MAX_HISTORY_EVENTS
        )
        node = next((node for node in nodes if node is not None), whose)
        return {"path": self.compilation.nodes[node].path, "node": node} if node else {"path": "nodes"}


def _more(events: int, fix: str) -> dict[str, Any]:
    return {"value": events, "allowed": MAX_HISTORY_EVENTS, "fix": fix}


def _is_for_each(spec: Node | None) -> bool:
    return isinstance(spec, LoopNode) and isinstance(spec.config, ForEachConfig)


def _listed(names: list[str]) -> str:
    listed = " and ".join(f"'{name}'" for name in names)
    return f"each of {listed}" if len(names) > 1 else listed

"""The cheapest and the dearest way through a machine, by the states that were emitted.

Terms:
  way      from a machine's start to one of its ends; a cycle is walked as often as its bound says
  round    from the first state of a cycle (its head) back to it; a machine has one cycle at most, that of a `while` or
           of an agent's turns
  attempt  one try at a state; a retry is another one, and is billed as a transition of its own

best             nothing fails, lists are empty, conditions take the shortest way
worst            the longest way, all bounds reached, every retry used; it may end in a failure
without retries  the same, but nothing is tried again

Events are those of Step Functions, so many for each state; a failure never takes more than the success that it is in
place of, except where it says so below. A redrive adds to all of this.
Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import Any

from statemachines.asl.model import Machine, State
from statemachines.plan.amounts import EVENTS, SECONDS, TRANSITIONS, Amounts, beside, least, most
from statemachines.plan.bounds import Bounds
from statemachines.plan.work import Work

EXECUTION_EVENTS = 2
"""ExecutionStarted, and the event that tells how it ended."""

_MAP_RUN_EVENTS = 4
"""MapStateStarted, MapRunStarted, and how each of them ended."""

_FALLIBLE = ("Task", "Wait")
"""When their expression fails inside a Parallel or Map, EvaluationFailed and …StateAborted take one exit's place."""

_COVER_EVALUATION = frozenset({"States.ALL", "States.TaskFailed", "States.QueryEvaluationError"})


class Case(Enum):
    """See the module."""

    BEST = "best"
    WORST = "worst"
    NO_RETRIES = "worst without retries"


@dataclass
class Walk:
    """Walks every machine of a document in one case. `meanings` is the source map's `states`."""

    meanings: Mapping[str, Mapping[str, Any]]
    bounds: Bounds
    case: Case
    work: Work = field(default_factory=Work)
    assumed_items: int | None = None
    """For lists that nothing bounds."""
    assumed_calls: int | None = None
    """The same for the calls that an agent wants in one turn; None: as `assumed_items`."""
    unbounded: dict[str, None] = field(default_factory=dict)
    """States that iterate over lists of any length."""
    children: dict[str, float] = field(default_factory=dict)
    """By state of a distributed Map: the events in the history of each of its child executions."""
    containers: dict[str, float] = field(default_factory=dict)
    """By state with machines inside: the events of one visit; inner ones come first."""

    def execution(self, machine: Machine) -> Amounts:
        """Of a whole execution, its start and its end included."""
        return self.machine(machine).plus(Amounts({TRANSITIONS: 1, EVENTS: EXECUTION_EVENTS}))

    def machine(self, machine: Machine, owner: str | None = None) -> Amounts:
        """Of one machine. `owner` is the node whose cycle it may hold."""
        states = machine["States"]
        order, head = _ordered(machine, self._follow)
        ends: dict[str, Amounts | None] = {}
        rounds: dict[str, Amounts] = {}
        for name in order:
            here, following = self.state(name, states[name]), list(self._follow(states[name]))
            rest = self._chosen([ends[each] for each in following if each in ends], states[name])
            ends[name] = None if rest is None else here.plus(rest)
            ways = [rounds[each] for each in following if each in rounds]
            ways += [Amounts()] if head in following and head not in ends else []
            if head is not None and self.case is not Case.BEST and (ways or name == head):
                rounds[name] = here.plus(most(ways)) if ways else here
            if name == head and name in rounds:
                again = rounds.pop(name).times(self.bounds.rounds.get(owner or "", inf) - 1)
                ends[name] = again.plus(ends[name] or Amounts())
        return ends[machine["StartAt"]] or Amounts()

    def _chosen(self, ways: list[Amounts | None], state: State) -> Amounts | None:
        """The rest of the way; None where there is none but round and round, or, in the best case, into a failure.

        A state that fails, and with it the machine, takes no more than one that goes on.
        """
        possible = [way for way in ways if way is not None]
        if state.get("End") or state["Type"] == "Succeed" or (state["Type"] == "Fail" and self.case is not Case.BEST):
            possible.append(Amounts())
        if not possible:
            return None
        return least(possible) if self.case is Case.BEST else most(possible)

    def _follow(self, state: State) -> Iterator[str]:
        """Where a state may lead."""
        if "Next" in state:
            yield state["Next"]
        for rule in state.get("Choices", []):
            yield rule["Next"]
        if "Default" in state:
            yield state["Default"]
        if self.case is not Case.BEST:
            for catcher in state.get("Catch", []):
                yield catcher["Next"]

    def state(self, name: str, state: State) -> Amounts:
        """Of one visit of a state."""
        attempts = 1 + (_retries(state) if self.case is Case.WORST else 0)
        events = 1 if state["Type"] == "Fail" else 2
        if self.case is not Case.BEST:
            covered = _COVER_EVALUATION & {
                error for retrier in state.get("Retry", []) for error in retrier["ErrorEquals"]
            }
            events += (attempts - 1) * bool(covered) + ("Catch" in state)
        own = Amounts({TRANSITIONS: attempts, EVENTS: events})
        if attempts > 1:
            own[SECONDS] = self.work.backoff(state)
        found = own.plus(self._attempt(name, state).times(attempts))
        if state["Type"] in ("Parallel", "Map"):
            self.containers[name] = found[EVENTS]
        return found

    def _attempt(self, name: str, state: State) -> Amounts:
        meaning = self.meanings.get(name, {})
        node = meaning.get("node") if meaning.get("role") == "main" else None
        agent = self.bounds.agents.get(node or "")
        found = self.work.of(state, worst=self.case is not Case.BEST)
        if agent is not None and self.case is not Case.BEST:
            found = found.plus(self.work.model(agent))
        if state["Type"] == "Parallel":
            branches = (self.machine(branch, node) for branch in state["Branches"])
            found = found.plus(beside(branches)).plus(self._around(state["Branches"]))
        elif state["Type"] == "Map":
            found = found.plus(self._map(name, state, node))
        return found

    def _map(self, name: str, state: State, node: str | None) -> Amounts:
        processor = state["ItemProcessor"]
        count, at_once = self._items(name, state, node), state.get("MaxConcurrency") or inf
        if processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
            item = self.execution(processor)
            self.children[name] = item.pop(EVENTS)
            return item.times(count, at_once).plus(Amounts({EVENTS: _MAP_RUN_EVENTS}))
        item = self.machine(processor).plus(Amounts({EVENTS: 2}))
        return item.times(count, at_once).plus(self._around([processor]))

    def _around(self, machines: list[Machine]) -> Amounts:
        """…StateStarted and …StateSucceeded of one attempt, and what a failure inside may add."""
        types = {state["Type"] for machine in machines for state in machine["States"].values()}
        adds = self.case is not Case.BEST and not types.isdisjoint(_FALLIBLE)
        return Amounts({EVENTS: 2 + adds})

    def _items(self, name: str, state: State, node: str | None) -> float:
        items = state.get("Items")
        if isinstance(items, list):
            return len(items)
        if self.case is Case.BEST:
            return 0
        if node in self.bounds.items:
            return self.bounds.items[str(node)]
        self.unbounded[name] = None
        of_agent = self.meanings.get(name, {}).get("role") == "calls"
        assumed = self.assumed_calls if of_agent and self.assumed_calls is not None else self.assumed_items
        return inf if assumed is None else assumed


def _retries(state: State) -> int:
    """Each retrier counts its own; https://states-language.net/spec.html#retry gives MaxAttempts a default of 3."""
    return sum(retrier.get("MaxAttempts", 3) for retrier in state.get("Retry", []))


def _ordered(machine: Machine, follow: Any) -> tuple[list[str], str | None]:
    """The states, each after all that it may lead to without going round, and the head of the machine's cycle."""
    states = machine["States"]
    order: list[str] = []
    open_: dict[str, Iterator[str]] = {machine["StartAt"]: follow(states[machine["StartAt"]])}
    done: set[str] = set()
    head: str | None = None
    while open_:
        name = next(reversed(open_))
        target = next(open_[name], None)
        if target is None:
            del open_[name]
            done.add(name)
            order.append(name)
        elif target in open_:
            if head not in (None, target):
                raise AssertionError(f"a machine has two cycles, from '{head}' and from '{target}'")
            head = target
        elif target not in done:
            open_[target] = follow(states[target])
    return order, head

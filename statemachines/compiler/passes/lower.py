"""Lowering: sequences to states.

Before:  Step classify; Step route split by `case:urgent` → Fork(page | note), else → Step queue; Step reply
After:   "classify": Task → "route": Choice → "fork.1": Parallel [page] [note], or "queue": Pass → "reply": Task
         → "execution.output": Succeed

Sequences are lowered from their end, so that every state knows the name of the next one.
"""

import json
from typing import TypeAlias

from statemachines.asl.limits import MAX_EXPRESS_SECONDS
from statemachines.asl.model import Machine, Rule, State
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.model import (
    Branch,
    Fork,
    Gate,
    Gated,
    Graph,
    Item,
    Outcome,
    Place,
    Sequence,
    Split,
    Step,
    Variable,
)
from statemachines.compiler.nodes import NodeStates
from statemachines.compiler.scope import jsonata
from statemachines.compiler.trampoline import Walk, run
from statemachines.compiler.variables import Variables

Entry: TypeAlias = str | dict[Outcome, str]
"""Where a sequence begins: one state, or one for each outcome of the step before it."""

States: TypeAlias = dict[str, State]

OUTPUT_STATE = "execution.output"
"""`execution` is a reserved id, so no node's helper state has this name."""


def lower(compilation: Compilation) -> None:
    """Fills in `asl` and the source map's `states`."""
    compilation.asl = _Lowering(compilation).machine()


class _Lowering:
    def __init__(self, compilation: Compilation) -> None:
        self.compilation = compilation
        self.variables = Variables(compilation)
        self.nodes = NodeStates(compilation, self.graph)

    def machine(self) -> Machine:
        graph = self.compilation.graph
        self.compilation.states[OUTPUT_STATE] = {"node": None, "role": "output", "fused": []}
        machine = run(self.graph(graph, OUTPUT_STATE, {"Type": "Succeed", "Output": self.nodes.blocks.result(graph)}))
        return {
            "Comment": f"Compiled by Millrace from the workflow '{self.compilation.name}'.",
            "QueryLanguage": "JSONata",
            "TimeoutSeconds": self._seconds(),
            **machine,
        }

    def _seconds(self) -> int:
        settings = self.compilation.settings
        if settings.mode == "express":
            return min(settings.timeout_seconds, MAX_EXPRESS_SECONDS)
        return settings.timeout_seconds

    def graph(self, graph: Graph, end_name: str, end: State) -> Walk[Machine]:
        """The states of one graph; `end` gives its result."""
        states: States = {end_name: end}
        entry: Entry = yield self.sequence(graph.sequence, end_name, states)
        return _machine(entry, states)

    def sequence(self, sequence: Sequence, after: str, states: States) -> Walk[Entry]:
        entry: Entry = after
        for item in reversed(sequence.items):
            entry = yield self.item(item, str(entry), sequence.place, states)
        return entry

    def item(self, item: Item, after: str, place: Place, states: States) -> Walk[Entry]:
        if isinstance(item, Step):
            return self.step(item, after, states)
        if isinstance(item, Split):
            return self.split(item, after, states)
        if isinstance(item, Fork):
            return self.fork(item, after, states)
        return self.gated(item, after, place, states)

    def step(self, step: Step, after: str, states: States) -> Walk[str]:
        routes: dict[Outcome, str] = (yield self.split(step.split, after, states)) if step.split else {}
        name: str = yield self.nodes.emit(step, routes, after, states)
        return name

    def split(self, split: Split, after: str, states: States) -> Walk[dict[Outcome, str]]:
        """For each outcome the state that it leads to."""
        routes = dict.fromkeys(sorted(split.outcomes), after)
        for cluster in reversed(split.clusters):
            entry: Entry
            if cluster.arm:
                entry = yield self.sequence(cluster.arm.body, after, states)
            elif cluster.fork:
                entry = yield self.fork(cluster.fork, after, states)
            routes |= entry if isinstance(entry, dict) else dict.fromkeys(cluster.outcomes, entry)
        return routes

    def gated(self, gated: Gated, after: str, place: Place, states: States) -> Walk[str]:
        entry = yield self.sequence(gated.body, after, states)
        return self.helper(f"{gated.unit}.gate", "gate", self.gate(gated.gate, entry, after, place), states)

    def gate(self, gate: Gate, entry: Entry, after: str, place: Place) -> State:
        """A Choice that enters, or passes by."""
        rules: list[Rule] = []
        for edges, outcome in gate.rules:
            live = " or ".join(f"({self.variables.live(edge, place)})" for edge in edges)
            target = entry[outcome] if isinstance(entry, dict) and outcome is not None else str(entry)
            rules.append({"Condition": jsonata(live), "Next": target})
        default = rules.pop()["Next"] if gate.total and len(rules) > 1 else after
        state: State = {"Type": "Choice", "Choices": rules, "Default": default}
        if absent := gate.switch.absent:
            state["Assign"] = dict(absent)
            for rule in rules:
                rule["Assign"] = dict(absent)
        return state

    def helper(self, name: str, role: str, state: State, states: States) -> str:
        """Adds a state that stands for no node."""
        states[name] = state
        self.compilation.states[name] = {"node": None, "role": role, "fused": []}
        return name

    def fork(self, fork: Fork, after: str, states: States) -> Walk[str]:
        machines = []
        for index, branch in enumerate(fork.branches):
            machines.append((yield self.branch(branch, f"{fork.state}.branch_{index + 1}")))
        state: State = {"Type": "Parallel", "Branches": machines, "Output": {}, "Next": after}
        if merged := self.merged(fork):
            state["Assign"] = {self.variables.name(fork): merged}
        return self.helper(fork.state, "fork", state, states)

    def merged(self, fork: Fork) -> str | None:
        """What the branches return, as one object."""
        parts, plain = [], []
        for index, branch in enumerate(fork.branches):
            if not branch.place.returns:
                continue
            if (only := self.only_return(branch)) is not None:
                plain.append(f"{json.dumps(only)}: $states.result[{index}]")
            else:
                parts.append(f"$states.result[{index}]")
        if plain:
            parts.insert(0, f"{{{', '.join(plain)}}}")
        if not parts:
            return None
        return jsonata(parts[0] if len(parts) == 1 else f"$merge([{', '.join(parts)}])")

    def branch(self, branch: Branch, name: str) -> Walk[Machine]:
        states: States = {}
        if self.only_return(branch) is not None or (not branch.place.returns and self.plain_end(branch) is not None):
            entry = yield self.to_end(branch.body, states)
            return _machine(entry, states)
        end = f"{name}.return"
        self.helper(end, "return", {"Type": "Pass", "Output": self.returned(branch.place), "End": True}, states)
        entry = yield self.sequence(branch.body, end, states)
        if branch.gate:
            entry = self.helper(f"{name}.gate", "gate", self.gate(branch.gate, entry, end, branch.place), states)
        return _machine(entry, states)

    def plain_end(self, branch: Branch) -> str | None:
        """The node that every run of the branch ends with, if its state can end one: a Choice or a Catch cannot."""
        last = branch.body.items[-1]
        if branch.gate or not isinstance(last, Step) or last.split or last.place is not branch.place:
            return None
        return None if self.nodes.leads_on(last.node) else last.node

    def only_return(self, branch: Branch) -> str | None:
        """The node whose output is all that the branch returns, and whose state ends it."""
        node = self.plain_end(branch)
        return node if node is not None and list(branch.place.returns) == [Variable(node)] else None

    def to_end(self, sequence: Sequence, states: States) -> Walk[Entry]:
        """A sequence whose last step ends the branch with its output as the branch's result."""
        entry: Entry = ""
        last = sequence.items[-1]
        if isinstance(last, Step):
            entry = yield self.nodes.emit(last, {}, None, states)
        for item in reversed(sequence.items[:-1]):
            entry = yield self.item(item, str(entry), sequence.place, states)
        return entry

    def returned(self, place: Place) -> str:
        members = [
            f"{json.dumps(self.variables.member(variable))}: {self.variables.access(variable, place)}"
            for variable in place.returns
        ]
        return jsonata(f"{{{', '.join(members)}}}")


def _machine(entry: Entry, states: States) -> Machine:
    """States are made from the end; they are listed from the start."""
    return {"StartAt": str(entry), "States": dict(reversed(states.items()))}

"""Regions: from an acyclic graph to nested sequences, splits and waves.

Before, edges:
    classify → route; route -urgent→ page, note; route -normal→ queue; page, note → combine; combine, queue → reply
After:
    Step classify
    Step route, split by outcome:
        case:urgent   Fork(page | note), Step combine
        case:normal   Step queue
    Step reply

How: after a node, the next one that runs for certain is its immediate post-dominator `next`. What the node dominates in
between falls apart into components that no edge connects; each is entered by the outcomes of the node that lead into
it.
  - A component with one first node is a sequence of its own.
  - A component with several first nodes that all lead through one node is a split before that node.
  - Any other (an "N": a→c, a→d, b→d) becomes waves: its units by depth, each unit behind a gate that asks whether
    one of its incoming edges is live. Units are single-entry single-exit sequences, so only what truly crosses pays
    for a barrier.
Components that share an outcome run at once, in a Fork; the others are alternatives. Below MAX_FORK_DEPTH forks
within one another, waves take the place of further nesting: a pipeline with a side branch at each of 500 steps stays
a valid machine. Source: R. Johnson, D. Pearson, K. Pingali, "The program structure tree", PLDI 1994.
"""

from collections.abc import Iterable
from typing import Literal

from statemachines.compiler.compilation import Compilation
from statemachines.compiler.flow import Flow, Groups, sharing
from statemachines.compiler.model import (
    Arm,
    Branch,
    Cluster,
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
    Switch,
)
from statemachines.compiler.trampoline import Walk, run
from statemachines.compiler.units import Entry, Units

MAX_FORK_DEPTH = 10


def regions(compilation: Compilation) -> None:
    """Builds `Graph.body` of every graph."""
    for graph in compilation.graph.all_graphs():
        graph.body = run(_Builder(compilation, graph).whole())


class _Builder:
    def __init__(self, compilation: Compilation, graph: Graph) -> None:
        self.compilation = compilation
        self.flow = Flow(graph)
        self.places: list[Place] = []
        owner = compilation.steps[graph.owner.id].place if graph.owner else None
        self.level = owner.level + 1 if owner else 0

    def place(
        self,
        kind: Literal["body", "branch", "arm"],
        parent: Place | None,
        switch: Switch | None = None,
        fork: Fork | None = None,
    ) -> Place:
        """Places are made outside in, each with all that is inside it before the next: their numbers are a preorder."""
        level = parent.level if parent else self.level
        place = Place(kind, len(self.places), level + (kind == "branch"), parent, switch, fork)
        self.places.append(place)
        return place

    def whole(self) -> Walk[Sequence]:
        body = Sequence(self.place("body", None))
        entry = Entry(0, frozenset(self.flow.outcomes[0]), Switch())
        first = self.flow.next.parent[0]
        split: Split = yield self.split(entry, self.flow.roots(0, first), first, body.place)
        body.items = self.unfold(split)
        body.items += yield self.chain(first, self.flow.end, body.place)
        for place in reversed(self.places):
            if place.parent:
                place.parent.last = max(place.parent.last, place.last)
        return body

    def chain(self, node: int, stop: int, place: Place) -> Walk[list[Item]]:
        """The items from `node` up to `stop`."""
        items: list[Item] = []
        while node != stop:
            after = self.flow.next.parent[node]
            items += yield self.step(node, after, place)
            node = after
        return items

    def step(self, node: int, after: int, place: Place) -> Walk[list[Item]]:
        step = Step(self.flow.names[node], place, Switch())
        entry = Entry(node, frozenset(self.flow.outcomes[node]), step.switch)
        split: Split = yield self.split(entry, self.flow.roots(node, after), after, place)
        self.compilation.steps[step.node] = step
        items = self.unfold(split)
        if items and isinstance(items[0], Split):
            step.split = items[0]
            return [step, *items[1:]]
        if split.clusters and not items:
            step.split = split
        return [step, *items]

    def unfold(self, split: Split) -> list[Item]:
        """The items of a split that offers no choice; nothing where it does."""
        if len(split.clusters) != 1 or split.clusters[0].outcomes != split.outcomes:
            return []
        cluster = split.clusters[0]
        return [cluster.fork] if cluster.fork else list(cluster.arm.body.items) if cluster.arm else []

    def split(self, entry: Entry, roots: list[int], after: int, place: Place) -> Walk[Split]:
        components = self.components(entry, roots)
        clusters: list[Cluster] = []
        for group in sharing([outcomes for _, outcomes in components]):
            clusters += [(yield self.cluster(entry, [components[index] for index in group], after, place))]
        return Split(self.flow.names[entry.source], entry.outcomes, clusters)

    def components(self, entry: Entry, roots: list[int]) -> list[tuple[list[int], frozenset[Outcome]]]:
        """Roots that edges connect, together, with the outcomes that lead into them; in topological order."""
        groups = Groups(roots)
        for root in roots:
            for source in self.flow.before[root]:
                if source != entry.source:
                    groups.join(root, self.flow.dominated.toward(source, entry.source))
        return [(members, self.leading(entry, members)) for members in groups.all()]

    def leading(self, entry: Entry, roots: Iterable[int]) -> frozenset[Outcome]:
        return entry.outcomes.intersection(*[set().union(*(self.flow.before[r].get(entry.source, ()) for r in roots))])

    def cluster(
        self, entry: Entry, components: list[tuple[list[int], frozenset[Outcome]]], after: int, place: Place
    ) -> Walk[Cluster]:
        outcomes = frozenset().union(*(leading for _, leading in components))
        inside = place if outcomes == entry.outcomes else self.place("arm", place, entry.switch)
        if len(components) == 1 or inside.level >= MAX_FORK_DEPTH:
            narrowed = Entry(entry.source, outcomes, entry.switch)
            arm = Arm(outcomes, Sequence(inside))
            together = [root for roots, _ in components for root in roots]
            if len(components) == 1:
                arm.body.items = yield self.component(narrowed, together, after, inside)
            else:
                arm.body.items = yield self.waves(narrowed, together, inside)
            return Cluster(outcomes, arm=arm)
        fork = self.fork()
        for roots, leading in components:
            branch = self.place("branch", inside, fork=fork)
            switch = Switch()
            body_place = branch if leading == outcomes else self.place("arm", branch, switch)
            narrowed = Entry(entry.source, leading, switch)
            body = Sequence(body_place)
            body.items = yield self.component(narrowed, roots, after, body_place)
            gate = self.entrance(narrowed, body, total=leading == outcomes)
            fork.branches.append(Branch(branch, body, gate))
        return Cluster(outcomes, fork=fork)

    def fork(self) -> Fork:
        self.compilation.forks += 1
        return Fork(self.compilation.forks)

    def entrance(self, entry: Entry, body: Sequence, *, total: bool) -> Gate | None:
        """A branch has one start; where outcomes enter in different places, or not all of them do, a gate leads on."""
        name = self.flow.names[entry.source]
        ordered = [outcome for outcome in self.flow.outcomes[entry.source] if outcome in entry.outcomes]
        if isinstance(body.items[0], Split):
            return Gate(entry.switch, [([(name, outcome)], outcome) for outcome in ordered], total)
        return None if total else Gate(entry.switch, [([(name, outcome) for outcome in ordered], None)], total)

    def component(self, entry: Entry, roots: list[int], after: int, place: Place) -> Walk[list[Item]]:
        if len(roots) == 1:
            return self.chain(roots[0], after, place)
        meeting = self.meeting(entry, roots)
        if meeting not in roots:
            return self.waves(entry, roots, place)
        return self.joined(entry, [root for root in roots if root != meeting], meeting, after, place)

    def joined(self, entry: Entry, roots: list[int], meeting: int, after: int, place: Place) -> Walk[list[Item]]:
        split: Split = yield self.split(entry, roots, meeting, place)
        items = self.unfold(split) or [split]
        items += yield self.chain(meeting, after, place)
        return items

    def meeting(self, entry: Entry, roots: list[int]) -> int:
        """The first node that every path from the entry into this component passes."""
        entered = [root for root in roots if entry.outcomes & self.flow.before[root].get(entry.source, set())]
        found = entered[0]
        for root in entered[1:]:
            found = self.flow.next.common(found, root)
        return found

    def waves(self, entry: Entry, roots: list[int], place: Place) -> Walk[list[Item]]:
        units = Units(self.flow, entry, roots, flat=place.level >= MAX_FORK_DEPTH)
        items: list[Item] = []
        for heads in units.waves():
            if len(heads) > 1:
                items.append((yield self.wave(units, heads, place)))
            elif units.certain[heads[0]]:
                items += yield self.unit(units.chains[heads[0]], place)
            else:
                items.append((yield self.gated(units, heads[0], place)))
        return items

    def gated(self, units: Units, head: int, place: Place) -> Walk[Gated]:
        gate = Gate(Switch(), [(units.edges(head), None)], total=False)
        body = Sequence(self.place("arm", place, gate.switch))
        body.items = yield self.unit(units.chains[head], body.place)
        return Gated(self.flow.names[head], gate, body)

    def wave(self, units: Units, heads: list[int], place: Place) -> Walk[Fork]:
        fork = self.fork()
        for head in heads:
            branch = self.place("branch", place, fork=fork)
            gate = None if units.certain[head] else Gate(Switch(), [(units.edges(head), None)], total=False)
            body = Sequence(self.place("arm", branch, gate.switch) if gate else branch)
            body.items = yield self.unit(units.chains[head], body.place)
            fork.branches.append(Branch(branch, body, gate))
        return fork

    def unit(self, chain: list[int], place: Place) -> Walk[list[Item]]:
        items: list[Item] = []
        for node, after in zip(chain, [*chain[1:], None], strict=True):
            if after is not None:
                items += yield self.step(node, after, place)
        last = Step(self.flow.names[chain[-1]], place, Switch())
        self.compilation.steps[last.node] = last
        return [*items, last]

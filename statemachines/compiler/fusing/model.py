"""States as the pass `fuse` sees them.

Terms:
  host     a state, with what was moved into it
  way      one way out of a state: its own (of a Choice, the one to `Default`), or a Choice's rule. A Catch is none:
           what fails there cannot be caught, so nothing moves into it
  entry    one variable that a way assigns. Entries that were moved to a way stand behind those that were there, and
           may read them: `binds` says which names in an entry's template mean which earlier entry
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from statemachines.asl.model import Machine, Rule, State
from statemachines.compiler.fusing import text
from statemachines.compiler.variables import SKIPPED

ABSENT: Any = object()
"""In the place of an Output that a state does not have."""

_MAX_WEIGHT = 1_000_000


@dataclass(eq=False)
class Entry:
    variable: str
    template: Any
    node: str | None = None
    """Whose output it is."""
    blamed: list[str] | None = None
    """The nodes that fail where it cannot be evaluated; None: the state's own."""
    binds: "dict[str, Entry]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.free = self.reads - self.binds.keys()
        """What it reads from before the state's exit."""
        self.weight = self.size
        self.varies = text.changes(self.template)

    def bind(self, found: "Mapping[str, Entry]") -> "Entry":
        """Lets its template read these entries. `weight`: about how many characters evaluate it where nothing is bound
        yet. `varies`: a second evaluation may give something else."""
        self.binds |= found
        self.free = self.reads - self.binds.keys()
        self.weight = min(self.size + sum(each.weight for each in self.binds.values()), _MAX_WEIGHT)
        self.varies |= any(each.varies for each in found.values())
        return self

    @cached_property
    def reads(self) -> frozenset[str]:
        return text.reads_of(self.template)

    @cached_property
    def bound(self) -> str | None:
        """An expression whose value others may read by a name."""
        return text.expression(self.template, self.node or self.variable)

    @cached_property
    def size(self) -> int:
        return text.size(self.template)

    @property
    def skips(self) -> bool:
        """Whether it says that a node did not run."""
        return bool(self.template == SKIPPED)


@dataclass(eq=False)
class Way:
    """`holder` is the JSON of the state or of the rule; its Assign and Output are written anew in the end."""

    state: str
    holder: dict[str, Any]
    entries: list[Entry] = field(default_factory=list)
    output: Any = ABSENT
    output_binds: dict[str, Entry] = field(default_factory=dict)
    output_blamed: list[str] | None = None
    """The nodes that fail where a moved Output cannot be evaluated; None: the state's own."""
    output_helper: bool = False
    """Whether the Output is that of a helper state."""
    latest: dict[str, Entry] = field(default_factory=dict)
    """By variable what it holds in the end; in the order in which it came to hold it."""

    @property
    def output_free(self) -> frozenset[str]:
        """What its Output reads from before the state's exit."""
        return frozenset() if self.output is ABSENT else text.reads_of(self.output) - self.output_binds.keys()

    def add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.entries.append(entry)
            self.latest.pop(entry.variable, None)
            self.latest[entry.variable] = entry

    def put_first(self, entries: Iterable[Entry]) -> None:
        added = list(entries)
        self.entries = [*added, *self.entries]
        self.latest = {entry.variable: entry for entry in added if entry.variable not in self.latest} | self.latest

    @property
    def _key(self) -> str:
        return "Default" if self.holder.get("Type") == "Choice" else "Next"

    @property
    def target(self) -> str | None:
        found: str | None = self.holder.get(self._key)
        return found

    @target.setter
    def target(self, name: str) -> None:
        self.holder[self._key] = name

    def end(self) -> None:
        """From now on the branch ends here."""
        del self.holder["Next"]
        self.holder["End"] = True


@dataclass(eq=False)
class Host:
    """A state with its ways; `meaning` is what the source map says of it."""

    name: str
    state: State
    meaning: dict[str, Any]
    ways: list[Way]
    leading: list[str] = field(default_factory=list)
    """Nodes that come before the state's own."""
    computing: list[Rule] = field(default_factory=list)
    """Of a Choice: its first rules, which are never taken."""
    fused: dict[str, None] = field(default_factory=dict)
    """Every node that was moved here, in order."""
    fields: dict[str, list[str]] = field(default_factory=dict)
    """By the place of a field the nodes that fail where it does."""
    shown: dict[str, list[str | int]] = field(default_factory=dict)
    """By node where in the details of the event the output stands, if in no variable."""

    @property
    def kind(self) -> str:
        return self.state["Type"]

    @property
    def node(self) -> str | None:
        """The node that it is the main state of."""
        found: str | None = self.meaning["node"] if self.meaning["role"] == "main" else None
        return found

    @property
    def owners(self) -> list[str]:
        """The nodes whose failure it is when something of its own fails."""
        return [self.meaning["node"]] if self.meaning["node"] else []

    @property
    def nodes(self) -> "dict[str, None]":
        """Its own node and those that were moved here."""
        return {self.node: None} | self.fused if self.node is not None else self.fused

    @property
    def own(self) -> Way:
        """The way of a state that is no Choice."""
        return self.ways[-1]


def hosts_of(machine: Machine, meanings: Mapping[str, dict[str, Any]], variable_of: Mapping[str, str]) -> list[Host]:
    """The states of one scope; `variable_of` names the variable of each node's output."""
    found = []
    for name, state in machine["States"].items():
        meaning = meanings[name]
        node = meaning["node"] if meaning["role"] == "main" else None
        holders: list[Any] = list(state.get("Choices", []))
        if state["Type"] not in ("Choice", "Fail") or "Default" in state:
            holders.append(state)
        ways = [_way(name, holder, node, variable_of.get(str(node))) for holder in holders]
        found.append(Host(name, state, meaning, ways, fused=dict.fromkeys(meaning["fused"])))
    return found


def _way(state: str, holder: dict[str, Any], node: str | None, variable: str | None) -> Way:
    way = Way(state, holder, output=holder.get("Output", ABSENT))
    for name, template in holder.get("Assign", {}).items():
        whose = node if name == variable and template != SKIPPED else None
        way.add([Entry(name, template, whose)])
    return way


def inner_machines(state: State) -> list[Machine]:
    """The machines of a Parallel or a Map."""
    return [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]


def all_states(machine: Machine) -> Iterator[State]:
    """Every state at every depth."""
    waiting = [machine]
    while waiting:
        for state in waiting.pop()["States"].values():
            yield state
            waiting.extend(inner_machines(state))

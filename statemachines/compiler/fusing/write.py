"""Writing: hosts back into states, and into the source map.

Of what was moved to a way, an entry that reads another one binds it in front of its own text. Where that would repeat
much, or repeat what may differ the second time, the entries become one expression: `<state>_fused` holds an object of
them, and whoever reads one of them takes the member. So a chain of n transforms is written once.

Outputs that only people read, in the list of node runs, must not break a run: all variables that a state assigns may
have 256 KiB together (https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html), so that large ones
are left out.
"""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from statemachines.compiler.compilation import Compilation
from statemachines.compiler.fusing import text
from statemachines.compiler.fusing.binding import MAX_REPEATED, bound_template, closure, fallible, lets, value_of
from statemachines.compiler.fusing.model import ABSENT, Entry, Host, Way, all_states
from statemachines.compiler.fusing.scope import Scope
from statemachines.compiler.reads import names_in
from statemachines.compiler.variables import SKIPPED, TOO_LARGE, Variables

_MAX_SHOWN = 10_000
_MAX_SHOWN_TOGETHER = 100_000
"""Characters as JSON."""

_OWN_SIZE = 200
"""What is shorter, and reads nothing moved, keeps a variable of its own."""


class Writer:
    """Writes every scope of one machine."""

    def __init__(self, compilation: Compilation, scopes: Iterable[Scope]) -> None:
        self.compilation = compilation
        self.variables = Variables(compilation)
        self.scopes = list(scopes)
        self.ways = [(host, way) for scope in self.scopes for host in scope.hosts.values() for way in host.ways]
        self.read = self._read()
        self.assigned = Counter(entry.variable for _, way in self.ways for entry in way.entries if not entry.skips)
        self.skipping = {entry.variable for _, way in self.ways for entry in way.entries if entry.skips}
        self.member_of: dict[str, str] = {}

    def write(self) -> None:
        chains = {way: self._chain(host, way) for host, way in self.ways}
        for host, way in self.ways:
            self._way(host, way, chains[way])
        for scope in self.scopes:
            for name in scope.removed:
                del scope.machine["States"][name], self.compilation.states[name]
            for host in scope.hosts.values():
                self._meaning(host)
                for rule in host.computing:
                    rule["Next"] = host.ways[0].holder["Next"]
        if self.member_of:
            for state in all_states(self.compilation.asl):
                self._take_members(state)

    def _read(self) -> set[str]:
        """The variables that are read elsewhere than in the way that assigns them."""
        found: set[str] = set()
        for _, way in self.ways:
            for entry in way.entries:
                found |= entry.free
            found |= way.output_free
        for scope in self.scopes:
            for host in scope.hosts.values():
                found |= _other_reads(host)
        return found

    def _wanted(self, host: Host, way: Way) -> list[Entry]:
        """The entries that are assigned: what somebody reads, and what shows a node's output."""
        return [
            entry
            for entry in way.latest.values()
            if entry.variable in self.read or (entry.node is not None and entry.node not in host.shown)
        ]

    def _chain(self, host: Host, way: Way) -> list[Entry]:
        """The wanted entries that are written as one expression."""
        wanted = self._wanted(host, way)
        repeated = sum(max(1, len(list(text.sources(each.template)))) * (each.weight - each.size) for each in wanted)
        if repeated <= MAX_REPEATED and not any(each.varies for entry in wanted for each in entry.binds.values()):
            return []
        reading = [entry for entry in wanted if entry.binds]
        read = set(closure(reading))
        linked = [entry in read and self._fits(entry, way) for entry in wanted]
        behind = wanted[linked.index(True) :] if True in linked else []
        chain = [entry for entry in behind if self._fits(entry, way)]
        for entry in chain:
            self.member_of[entry.variable] = self._chain_name(host, way)
        return chain

    def _fits(self, entry: Entry, way: Way) -> bool:
        """Whether it can be in one expression with others."""
        if self.assigned[entry.variable] > 1 or (not entry.binds and not entry.varies and entry.size <= _OWN_SIZE):
            return False
        return entry.free.isdisjoint(way.latest) and value_of(entry) is not None

    def _chain_name(self, host: Host, way: Way) -> str:
        index = next((index for index, rule in enumerate(host.state.get("Choices", [])) if rule is way.holder), None)
        return self.variables.free(f"{host.name.replace('.', '_')}_fused" + ("" if index is None else f"_{index}"))

    def _way(self, host: Host, way: Way, chain: list[Entry]) -> None:
        prefix = self._prefix(host, way)
        assign: dict[str, Any] = {}
        chained = set(chain)
        for entry in self._wanted(host, way):
            if entry.skips and entry.variable in self.member_of:
                assign.setdefault(self.member_of[entry.variable], {})
            elif entry in chained:
                name = self.member_of[entry.variable]
                if name not in assign:
                    assign[name] = f"{{% {self._one_expression(chain)} %}}"
                    host.fields[f"{prefix}Assign/{name}"] = _blamed(chain, host)
            elif not self._is_output(host, way, entry):
                assign[entry.variable] = self._assigned(entry)
                if entry.blamed is not None:
                    host.fields[f"{prefix}Assign/{entry.variable}"] = entry.blamed
        self._set(way, assign)
        if way.output_blamed is not None:
            moved = _blamed(way.output_binds.values(), host)
            own = [] if moved and way.output_helper else way.output_blamed
            host.fields[f"{prefix}Output"] = list(dict.fromkeys([*moved, *own]))

    def _set(self, way: Way, assign: dict[str, Any]) -> None:
        if assign:
            way.holder["Assign"] = assign
        else:
            way.holder.pop("Assign", None)
        if way.output is not ABSENT:
            way.holder["Output"] = bound_template(way.output, way.output_binds)

    def _is_output(self, host: Host, way: Way, entry: Entry) -> bool:
        """Nobody reads the output of the state's node any more: it is the state's output, as that of any such node."""
        mine = entry.node is not None and entry.node == host.node and entry.blamed is None
        if mine and entry.variable not in self.read and host.kind != "Choice" and way.output == {}:
            way.output = entry.template
            return True
        return False

    def _assigned(self, entry: Entry) -> Any:
        only_shown = entry.blamed is not None and entry.variable not in self.read
        value = value_of(entry) if only_shown and any(True for _ in text.sources(entry.template)) else None
        if value is None:
            return bound_template(entry.template, entry.binds)
        small = f"$length($string($_o)) <= {_MAX_SHOWN} ? $_o : {json.dumps(TOO_LARGE)}"
        return f"{{% {text.let([*lets(entry.binds.values()), ('_o', value)], small)} %}}"

    def _one_expression(self, chain: list[Entry]) -> str:
        everything = closure(chain)
        used = {each for entry in everything for each in entry.binds.values()}
        bound = [(each.variable, str(each.bound if each in used else value_of(each))) for each in everything]
        read = _object(each for each in chain if each.variable in self.read)
        shown = _object(each for each in chain if each.variable not in self.read)
        if shown == "{}":
            return text.let(bound, read)
        small = f"$length($string($_o)) <= {_MAX_SHOWN_TOGETHER} ? $_o : {{}}"
        return text.let([*bound, ("_o", shown)], f"$merge([{read}, {small}])")

    def _prefix(self, host: Host, way: Way) -> str:
        for index, rule in enumerate(host.state.get("Choices", [])):
            if rule is way.holder:
                return f"Choices[{index}]/"
        return ""

    def _meaning(self, host: Host) -> None:
        host.meaning["fused"] = list(host.fused)
        for name in ("leading", "fields", "shown"):
            if getattr(host, name):
                host.meaning[name] = getattr(host, name)
        for entry in (entry for way in host.ways for entry in way.entries):
            if entry.node is not None and entry.variable in self.member_of:
                self.compilation.members[entry.variable] = f"{self.member_of[entry.variable]}.{entry.variable}"

    def _take_members(self, state: Any) -> None:
        for key, value in state.items():
            if key in ("Branches", "ItemProcessor"):
                continue
            state[key] = self._with_members(value)

    def _with_members(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._with_members(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._with_members(item) for item in value]
        for source in text.sources(value):
            taken = [(name, self._member(name)) for name in sorted(names_in(source)) if name in self.member_of]
            if source[1:] in self.member_of and source[0] == "$":
                return f"{{% {taken[0][1]} %}}"
            return f"{{% {text.let(taken, source)} %}}" if taken else value
        return value

    def _member(self, name: str) -> str:
        access = f"${self.member_of[name]}.{name}"
        if name in self.skipping:
            return f"($exists({access}) ? {access} : {json.dumps(SKIPPED)})"
        return access


def _other_reads(host: Host) -> frozenset[str]:
    """What the fields of a state read that are not written anew; inner scopes are others' business."""
    fields: dict[str, Any] = {
        key: value
        for key, value in host.state.items()
        if key not in ("Assign", "Output", "Branches", "ItemProcessor", "Choices")
    }
    fields["Choices"] = [rule["Condition"] for rule in host.state.get("Choices", [])]
    if not host.ways or host.kind in ("Succeed", "Fail"):
        fields["Output"] = host.state.get("Output")
    return text.reads_of(fields)


def _object(entries: Iterable[Entry]) -> str:
    return f"{{{', '.join(f'{json.dumps(each.variable)}: ${each.variable}' for each in entries)}}}"


def _blamed(entries: Iterable[Entry], host: Host) -> list[str]:
    """The nodes that fail where one of the entries cannot be evaluated."""
    nodes = [host.owners if each.blamed is None else each.blamed for each in fallible(entries)]
    return list(dict.fromkeys(node for each in nodes for node in each))

"""Downwards: a Pass that no state comes before, or only ones that catch, moves into the state behind it.

Before:  price (Pass) Assign {price: …} → route (Choice) "{% $price.total > 0 %}"
After:   route (Choice): a first rule that is never taken computes `price`, so that its failure shows as its own; the
         other rules' conditions bind it, and each way out assigns it

Before:  report (Pass) Assign {report: …} → publish (Task) Arguments {…, "body": "{% $report %}"}
After:   publish (Task) Arguments {…, "body": …}, and Assign {report: …} where somebody else reads it
"""

from collections.abc import Iterator
from typing import Any

from statemachines.asl.model import Rule
from statemachines.compiler.fusing import text
from statemachines.compiler.fusing.binding import (
    MAX_REPEATED,
    bindings,
    bound_template,
    copied,
    fallible,
    lets,
    value_of,
)
from statemachines.compiler.fusing.model import ABSENT, Entry, Host, Way, all_states, inner_machines
from statemachines.compiler.fusing.scope import Scope

_MAX_SPREAD = 8_000
"""Characters that all copies of a Pass in a Choice may have."""

_GIVEN = ("item", "index")
_MANAGED = frozenset({"Assign", "Output", "Choices", "Catch", "Branches", "ItemProcessor"})


def move_down(scope: Scope, host: Host) -> bool:
    """Moves `host` into the state that it leads to, if it alone leads there."""
    target = host.own.target if host.ways else None
    if host.kind != "Pass" or target is None or len(scope.before[target]) > 1 or target in scope.entered:
        return False
    into = scope.hosts[target]
    if _given(host):
        return _move_given(scope, host, into)
    if not scope.movable(host) or not all(_repeatable(entry, host.own) for entry in host.own.entries):
        return False
    if into.kind == "Choice":
        return _into_choice(scope, host, into)
    if into.kind == "Task" and scope.follows(into) and len(host.own.entries) == 1:
        return _into_field(scope, host, into, "Arguments", "parameters")
    return into.kind == "Succeed" and _into_field(scope, host, into, "Output", "output")


def _repeatable(entry: Entry, way: Way) -> bool:
    """Whether it may be evaluated several times, and shows a node's output."""
    return entry.node is not None and not entry.varies and entry.free.isdisjoint(way.latest)


def _given(host: Host) -> bool:
    """Whether it only names what the state is given: the first state of an iteration."""
    entries = [(entry.template, entry.node) for entry in host.own.entries]
    return not host.fused and all((f"{{% $states.input.{each} %}}", None) in entries for each in _GIVEN)


def _move_given(scope: Scope, host: Host, into: Host) -> bool:
    names = host.own.latest.keys()
    if into.state.get("Catch") or into.kind in ("Succeed", "Fail") or not into.ways:
        return False
    inner = (each for machine in inner_machines(into.state) for each in all_states(machine))
    if any(not names.isdisjoint(text.reads_of({**each, "Branches": None, "ItemProcessor": None})) for each in inner):
        return False
    if not _ways_follow(host, into):
        return False
    for fields in (into.state, *into.state.get("Choices", [])):
        for key in fields.keys() - _MANAGED:
            fields[key] = bound_template(fields[key], host.own.latest)  # type: ignore[literal-required]  # any field
    _join(scope, host, into)
    return True


def _into_choice(scope: Scope, host: Host, into: Host) -> bool:
    rules: list[Rule] = into.state["Choices"]
    reading = [rule for rule in rules if not host.own.latest.keys().isdisjoint(text.reads_of(rule["Condition"]))]
    read = frozenset().union(*(text.reads_of(rule["Condition"]) for rule in reading)) & host.own.latest.keys()
    found = bindings(read, host.own, repeated=True)
    computed = fallible(host.own.entries)
    if into.leading or found is None or not _ways_follow(host, into) or None in map(value_of, computed):
        return False
    weight = sum(entry.weight for entry in host.own.entries)
    if weight * (len(reading) + len(into.ways)) + sum(entry.weight for entry in computed) > _MAX_SPREAD:
        return False
    for rule in reading:
        rule["Condition"] = bound_template(rule["Condition"], found)
    into.computing = [_computing(entry) for entry in computed]
    rules[:0] = into.computing
    for index, entry in enumerate(computed):
        into.fields[f"Choices[{index}]/Condition"] = [str(entry.node)]
    into.leading = [str(entry.node) for entry in host.own.entries]
    _join(scope, host, into)
    return True


def _computing(entry: Entry) -> Rule:
    """A rule that only finds out whether the entry can be evaluated. Its way is written when all have moved."""
    bound = [*lets(entry.binds.values()), ("_o", str(value_of(entry)))]
    condition = f"{{% {text.let(bound, 'false')} %}}"
    return {"Comment": f"Computes {entry.node}; never taken.", "Condition": condition, "Next": ""}


def _into_field(scope: Scope, host: Host, into: Host, field: str, detail: str) -> bool:
    """Puts each output in the place that is exactly its variable, where the history shows it."""
    state: Any = into.state
    places: dict[str, list[str | int]] = {}
    for path, value in _leaves(state.get(field, ABSENT)):
        for name in sorted(text.reads_of(value) & host.own.latest.keys()):
            if name in places or value != f"{{% ${name} %}}":
                return False
            places[name] = path
    others = {key: value for key, value in state.items() if key not in _MANAGED | {field}}
    if places.keys() != host.own.latest.keys() or not text.reads_of(others).isdisjoint(places):
        return False
    if field == "Arguments" and (host.own.entries[0].weight > MAX_REPEATED or not _ways_follow(host, into)):
        return False
    if any(entry.binds for entry in host.own.entries):
        return False
    for entry in host.own.entries:
        path = places[entry.variable]
        state[field] = _replaced(state[field], path, entry.template)
        into.fields[_location(field, path)] = [str(entry.node)]
        into.shown[str(entry.node)] = [detail, *path]
    if field == "Arguments":
        into.leading = [str(entry.node) for entry in host.own.entries]
    elif into.ways:
        into.own.output = state[field]
    _join(scope, host, into)
    return True


def _location(field: str, path: list[str | int]) -> str:
    """As Step Functions names a place in a field."""
    return field + "".join(f"[{key}]" if isinstance(key, int) else f"/{key}" for key in path)


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[list[str | int], Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    elif value is not ABSENT:
        yield list(path), value


def _replaced(value: Any, path: list[str | int], by: Any) -> Any:
    if not path:
        return by
    key, *rest = path
    if isinstance(value, dict):
        return {each: _replaced(item, rest, by) if each == key else item for each, item in value.items()}
    return [_replaced(item, rest, by) if index == key else item for index, item in enumerate(value)]


def _ways_follow(host: Host, into: Host) -> bool:
    """Whether what the ways of `into` assign may read by name what `host` assigns."""
    for way in into.ways:
        reads = [entry.free for entry in way.entries] + [way.output_free]
        names = frozenset().union(*reads) & host.own.latest.keys()
        if bindings(names, host.own, repeated=True) is None or not host.own.latest.keys().isdisjoint(way.latest):
            return False
    return True


def _join(scope: Scope, host: Host, into: Host) -> None:
    for way in into.ways if into.kind != "Succeed" else []:
        _prepend(host, way)
        if way.output is ABSENT and host.own.output == {}:
            way.output = {}
    into.fused = host.nodes | into.fused
    scope.skip(host, into.name)


def _prepend(host: Host, way: Way) -> None:
    copies: dict[Entry, Entry] = {}
    for entry in host.own.entries:
        copies[entry] = copied(entry, host.owners).bind({name: copies[each] for name, each in entry.binds.items()})
    latest = {entry.variable: entry for entry in copies.values()}
    for entry in way.entries:
        entry.bind({name: latest[name] for name in sorted(entry.free & latest.keys())})
    way.output_binds |= {name: latest[name] for name in sorted(way.output_free & latest.keys())}
    way.put_first(copies.values())

"""How an entry reads what its way has assigned before it: by `:=` in front of its text, since a state evaluates all of
its Assign before any of it is visible."""

from collections.abc import Iterable, Mapping
from typing import Any

from shared.workflow.expressions import source_of
from statemachines.compiler.fusing import text
from statemachines.compiler.fusing.model import Entry, Way
from statemachines.compiler.fusing.plain import infallible
from statemachines.compiler.reads import names_in

MAX_REPEATED = 2_000
"""Characters that may be evaluated once more; what is longer goes into one expression, or stays a state of its own."""


def bindings(names: Iterable[str], way: Way, *, repeated: bool) -> dict[str, Entry] | None:
    """The entries of `way` that the names mean; None where one of them may not be read by a name.

    `repeated`: the reader cannot be in one expression with what it reads, which is then evaluated more than once.
    """
    found = {name: way.latest[name] for name in sorted(names) if name in way.latest}
    for entry in found.values():
        if entry.bound is None or entry.free & way.latest.keys():
            return None
        if repeated and (entry.varies or entry.weight > MAX_REPEATED):
            return None
    return found


def follow(entries: Iterable[Entry], way: Way, owners: list[str], *, repeated: bool) -> dict[Entry, Entry] | None:
    """Copies of the entries that come behind those of `way`; None where they may not.

    Those that nobody is blamed for yet are of the nodes `owners`.
    """
    copies: dict[Entry, Entry] = {}
    for entry in entries:
        found = bindings(entry.free, way, repeated=repeated)
        before = way.latest.get(entry.variable)
        if found is None or (before is not None and not before.skips):
            return None
        inner = {name: copies[each] for name, each in entry.binds.items()}
        copy = copies[entry] = copied(entry, owners).bind(inner | found)
        if any(each.varies for each in copy.binds.values()) and value_of(copy) is None:
            return None
    return copies


def copied(entry: Entry, owners: list[str]) -> Entry:
    """The same without its bindings."""
    return Entry(entry.variable, entry.template, entry.node, owners if entry.blamed is None else entry.blamed)


def value_of(entry: Entry) -> str | None:
    """Its value as one expression that nobody reads by a name."""
    return text.expression(entry.template, entry.node or entry.variable, bound=False)


def closure(entries: Iterable[Entry]) -> list[Entry]:
    """The entries and all that they read, each behind what it reads."""
    found: dict[Entry, None] = {}
    waiting = [(entry, False) for entry in entries][::-1]
    while waiting:
        entry, read = waiting.pop()
        if read:
            found[entry] = None
        elif entry not in found:
            waiting.append((entry, True))
            waiting.extend([(each, False) for each in entry.binds.values()][::-1])
    return list(found)


def bound_template(template: Any, binds: Mapping[str, Entry]) -> Any:
    """The template with each of its expressions behind the bindings that it reads. One that is nothing but a name is
    the template that the name stands for."""
    if isinstance(template, dict):
        return {key: bound_template(item, binds) for key, item in template.items()}
    if isinstance(template, list):
        return [bound_template(item, binds) for item in template]
    source = source_of(template)
    if source is None:
        return template
    if source[1:] in binds and source[0] == "$":
        whole = binds[source[1:]]
        return bound_template(whole.template, whole.binds)
    read = [binds[name] for name in sorted(names_in(source)) if name in binds]
    return f"{{% {text.let(lets(read), source)} %}}" if read else template


def fallible(entries: Iterable[Entry]) -> list[Entry]:
    """Those of the entries, and of all that they read, that it may be impossible to evaluate."""
    return [each for each in closure(entries) if not all(infallible(source) for source in text.sources(each.template))]


def lets(entries: Iterable[Entry]) -> list[tuple[str, str]]:
    """(name, expression) of the entries and all that they read."""
    return [(each.variable, str(each.bound)) for each in closure(entries)]

"""Upwards: a Pass moves into the ways that lead to it.

Before:  call (Task) Assign {call: …} → tidy (Pass) Assign {tidy: {"id": "{% $call.id %}"}} → …
After:   call (Task) Assign {call: …, tidy: {"id": "{% ( $call := …; $call.id ) %}"}} → …
"""

from statemachines.compiler.fusing import text
from statemachines.compiler.fusing.binding import bindings, fallible, follow
from statemachines.compiler.fusing.model import Entry, Host, Way
from statemachines.compiler.fusing.plain import infallible
from statemachines.compiler.fusing.scope import Scope

_MAX_COPIES = 4
_MAX_COPIED = 4_000
"""Characters that all copies of a Pass may have."""


def move_up(scope: Scope, host: Host, *, copies: bool = False) -> bool:
    """Moves `host` into every way that leads to it; with `copies` also where there are several."""
    ways = scope.before[host.name]
    if not ways or host.name in scope.entered or (len(ways) > 1 and not copies):
        return False
    if not all(_takes(scope, way, host) for way in ways) or not scope.movable(host):
        return False
    if len(ways) > 1 and not _few(host, len(ways)):
        return False
    for way in ways:
        if scope.hosts[way.state].kind == "Pass":
            scope.keep(scope.hosts[way.state])
    repeated = len(ways) > 1 or _tangled(host.own)
    plans = [follow(host.own.entries, way, host.owners, repeated=repeated) for way in ways]
    if any(plan is None for plan in plans) or not all(_output_follows(host, way) for way in ways):
        return False
    for way, plan in zip(list(ways), plans, strict=True):
        _join(scope, host, way, plan or {})
    scope.remove(host)
    return True


def _takes(scope: Scope, way: Way, host: Host) -> bool:
    into = scope.hosts[way.state]
    return into is not host and scope.follows(into) and (host.own.target is not None or into.kind != "Choice")


def _few(host: Host, ways: int) -> bool:
    size = sum(entry.size for entry in host.own.entries)
    return ways <= _MAX_COPIES and size * ways <= _MAX_COPIED and not any(entry.varies for entry in host.own.entries)


def _tangled(way: Way) -> bool:
    """Whether an entry reads what a variable held before this way assigns it."""
    return any(not entry.free.isdisjoint(way.latest) for entry in way.entries)


def _output_follows(host: Host, before: Way) -> bool:
    """Whether the Output of a last state can be evaluated in the one before it.

    An Output is evaluated before the Assign. So that its failure is not taken for that of the wrong node, it must read
    all that can fail, and a helper's must not itself fail beside that.
    """
    way = host.own
    if way.target is not None:
        return True
    if any(entry.varies or entry.bound is None for entry in way.output_binds.values()):
        return False
    found = bindings(way.output_free, before, repeated=True)
    if found is None:
        return False
    binds = way.output_binds | found
    own = any(not infallible(source) for source in text.sources(way.output) if source[1:] not in binds)
    read = fallible(binds.values())
    if own and read and host.node is None:
        return False
    return not (own or read) or set(read) >= set(fallible([*before.entries, *way.entries]))


def _join(scope: Scope, host: Host, way: Way, copies: dict[Entry, Entry]) -> None:
    into, own = scope.hosts[way.state], host.own
    into.fused |= host.nodes
    if own.target is not None:
        way.add(copies.values())
        scope.retarget(way, own.target)
        return
    scope.keep(into)
    found = bindings(own.output_free, way, repeated=True) or {}
    way.add(copies.values())
    way.output = own.output
    way.output_binds = found | {name: copies[each] for name, each in own.output_binds.items()}
    way.output_helper = host.node is None or own.output_helper
    way.output_blamed = host.owners if own.output_blamed is None else own.output_blamed
    into.shown |= host.shown
    if host.node is not None and host.node not in {entry.node for entry in own.entries}:
        into.shown[host.node] = ["output"]
    scope.before[host.name].remove(way)
    way.end()

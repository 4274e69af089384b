"""Fusing: fewer states, each of which Step Functions bills.

Before:  price (Pass) → route (Choice) → quote (Task) → quoted (Pass) → summary (Pass) → execution.output (Succeed)
After:   route (Choice; computes `price`) → quote (Task; assigns `quoted`) → execution.output (Succeed; is `summary`)

It works on the lowered states, not on the graph, since what can be saved shows only there: also the states that name a
loop's item, give a branch's result or count a round go into their neighbours. The meaning stays that of one state per
node:
  - Nothing moves to where its failure would be caught or tried again, nor out of where it is.
  - What may differ the second time (`$uuid()`, `$now()`, …) is evaluated once.
  - A value is bound to a name only where JSONata cannot tell it from the variable that it replaces; see
    `statemachines.compiler.fusing.plain`.
  - Each fused node's output and failure stay visible: the source map says where in the state's events they are.
A Pass moves up into the states that lead to it, else down into the one that follows; else it stays.
`settings.optimize: false` keeps one state per node.
"""

import json
from collections.abc import Iterator

from statemachines.asl.limits import MAX_DEFINITION_BYTES
from statemachines.asl.model import Machine
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.fusing.downwards import move_down
from statemachines.compiler.fusing.model import inner_machines
from statemachines.compiler.fusing.scope import Scope
from statemachines.compiler.fusing.upwards import move_up
from statemachines.compiler.fusing.write import Writer
from statemachines.compiler.model import Variable
from statemachines.compiler.variables import Variables


def fuse(compilation: Compilation) -> None:
    """Replaces `asl` and the source map's `states`, and fills in `members`; a definition that would outgrow its limit
    stays as it was."""
    if not compilation.settings.optimize:
        return
    asl, states = json.dumps(compilation.asl), json.dumps(compilation.states)
    _fuse(compilation)
    size = len(json.dumps(compilation.asl, separators=(",", ":"), ensure_ascii=False).encode())
    if size > MAX_DEFINITION_BYTES:
        compilation.asl, compilation.states = json.loads(asl), json.loads(states)
        compilation.members = {}


def _fuse(compilation: Compilation) -> None:
    variables = Variables(compilation)
    variable_of = {node: variables.name(Variable(node)) for node in compilation.nodes}
    scopes = [Scope(machine, compilation.states, variable_of) for machine in _machines(compilation.asl)]
    for scope in scopes:
        _move(scope)
    Writer(compilation, scopes).write()


def _machines(machine: Machine) -> Iterator[Machine]:
    waiting = [machine]
    while waiting:
        each = waiting.pop()
        yield each
        waiting.extend(inner for state in each["States"].values() for inner in inner_machines(state))


def _move(scope: Scope) -> None:
    """Upwards first, where one way leads to a state; what is left goes down, or up into several ways."""
    for host in list(scope.hosts.values()):
        if host.kind == "Pass":
            move_up(scope, host)
    for host in list(scope.hosts.values()):
        if host.kind == "Pass" and host.name in scope.hosts and not move_down(scope, host):
            move_up(scope, host, copies=True)

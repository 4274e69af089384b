"""Where a node's output lives, and how an expression reads it.

The rules of Step Functions that shape this (https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html):
a variable must have been assigned before an expression names it; a branch of a Parallel sees the variables outside
it but cannot assign them; a name must not be used both inside and outside.

The encoding:
  - A node's output is the variable of the node's id, in the scope that the node's state is in.
  - Where it may be read although its node was passed by, the variable is `<id>_if_run` instead. Every way out of the
    state that chose (its switch) first assigns SKIPPED to it, and readers turn that into absence:
    `( $page := ($page_if_run != 'millrace:skipped' ? $page_if_run); … )`. The source map names such variables. They
    have a name of their own because jlens loses track of what an expression reads where it binds a name that it also
    reads from outside.
  - A branch returns an object of what is read outside it, without what is absent. Its Parallel merges these objects
    into one variable `fork_<n>`, and readers take the member: `( $page := $fork_1.page; … )`. Where the whole
    Parallel may have been passed by, the switch assigns `{}` to that variable.
  - Where a gate asks how a node with an error edge ended, the variable `<id>_failed` says so; it travels in the same
    way.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from statemachines.compiler.compilation import Compilation
from statemachines.compiler.model import DONE, ERROR, EdgeRef, Fork, Place, Switch, Variable

SKIPPED = "millrace:skipped"

TOO_LARGE = "millrace:too_large"
"""In the place of an output that nobody reads but people, and that is too large to be kept for them."""

_KEYWORDS = frozenset({"and", "or", "in", "true", "false", "null", "function"})


@dataclass(frozen=True, slots=True)
class Hop:
    """A variable on its way outwards: who holds it in one scope, the switch that may have passed the holder by, and the
    branch by which it leaves this scope (None: the reader is in it)."""

    holder: Variable | Fork
    switch: Switch | None
    branch: Place | None


class Variables:
    """Names of variables, and the way from each to its readers."""

    def __init__(self, compilation: Compilation) -> None:
        self.compilation = compilation

    def name(self, holder: Variable | Fork) -> str:
        """The ASL variable; generated names give way to node ids."""
        if isinstance(holder, Fork):
            return self.free(f"fork_{holder.number}")
        if not holder.flag and holder in self.compilation.optional:
            return self.free(f"{holder.node}_if_run")
        return self.member(holder)

    def member(self, variable: Variable) -> str:
        """The member of a branch's result that hands the variable on."""
        return self.free(f"{variable.node}_failed") if variable.flag else variable.node

    def free(self, name: str) -> str:
        """`name`, or the nearest to it that is no node's id."""
        while name in self.compilation.nodes:
            name += "_"
        return name

    @staticmethod
    def step(name: str) -> str:
        """A name as a step of a JSONata path."""
        return f"`{name}`" if name in _KEYWORDS else name

    def hops(self, variable: Variable, reader: Place) -> Iterator[Hop]:
        """The way of `variable` to a reader in the same graph, scope by scope, outwards."""
        holder: Variable | Fork = variable
        switch: Switch | None = None
        place: Place | None = self.compilation.steps[variable.node].place
        while place is not None and not place.holds(reader):
            if place.fork is not None:
                yield Hop(holder, switch, place)
                holder, switch = place.fork, None
            elif place.switch is not None:
                switch = place.switch
            place = place.parent
        yield Hop(holder, switch, None)

    def access(self, variable: Variable, reader: Place) -> str:
        """A JSONata expression for the variable's value, or for nothing where it is absent."""
        *_, last = self.hops(variable, reader)
        name = self.name(last.holder)
        if isinstance(last.holder, Fork):
            return f"${name}.{self.step(self.member(variable))}"
        return f"(${name} != '{SKIPPED}' ? ${name})" if last.switch else f"${name}"

    def live(self, edge: EdgeRef, reader: Place) -> str:
        """A JSONata expression that is true where the edge is live."""
        variable = asked(self.compilation, edge)
        access = self.access(variable, reader)
        if variable.flag:
            return f"{access} = {'true' if edge[1] == ERROR else 'false'}"
        if edge[1] == DONE:
            return f"$exists({access})"
        return f"{access}.case = {json.dumps(edge[1].removeprefix('case:'))}"


def asked(compilation: Compilation, edge: EdgeRef) -> Variable:
    """The variable that tells whether an edge is live."""
    outcomes = compilation.nodes[edge[0]].graph.outcomes[edge[0]]
    return Variable(edge[0], flag=ERROR in outcomes and not edge[1].startswith("case:"))

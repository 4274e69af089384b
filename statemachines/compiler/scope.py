"""Expressions as states need them: the author's text, with the names it uses brought into scope in front of it.

`$classify.urgency > 7` inside a later branch becomes `( $classify := $fork_1.classify; $classify.urgency > 7 )`.
"""

import json
from typing import Any

from shared.workflow.expressions import source_of
from statemachines.compiler import distributed
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.model import Graph, Place, Variable
from statemachines.compiler.passes.liveness import seen_from
from statemachines.compiler.reads import names_in
from statemachines.compiler.variables import Variables

_MACHINE_INPUT = "$states.context.Execution.Input"


def jsonata(text: str) -> str:
    """The text as ASL marks what is to be evaluated."""
    return f"{{% {text} %}}"


def bare(template: str) -> str:
    """What `jsonata` was given."""
    return template.removeprefix("{% ").removesuffix(" %}")


class Scope:
    """What expressions at one place of a graph can name."""

    def __init__(self, compilation: Compilation, graph: Graph, place: Place) -> None:
        self.compilation = compilation
        self.graph = graph
        self.place = place
        self.variables = Variables(compilation)

    def template(self, value: Any) -> Any:
        """A JSON value in which every expression is in scope and every other text stays as it is."""
        if isinstance(value, dict):
            return {key: self.template(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.template(item) for item in value]
        source = source_of(value)
        return jsonata(self.expression(source)) if source is not None else literal(value)

    def expression(self, source: str) -> str:
        """The text with its prefix; brackets only where there is one."""
        bound = [(name, self.value(name)) for name in sorted(names_in(source))]
        lets = "".join(f"${name} := {value}; " for name, value in bound if value != f"${name}")
        return f"( {lets}{source} )" if lets else source

    def value(self, name: str) -> str:
        """The JSONata expression for a name that authors may use."""
        if (border := distributed.border(self.compilation, self.graph, name)) is not None:
            return distributed.member(self.variables, border, name)
        if name == "input":
            return f"{_MACHINE_INPUT}.input"
        if name == "execution":
            return f"{_MACHINE_INPUT}.execution"
        if name in ("item", "index"):
            return f"${self.loop_variable(name)}"
        home = self.compilation.nodes[name].graph
        place = seen_from(self.compilation, home, self.graph, self.place)
        return self.variables.access(Variable(name), place)

    def loop_variable(self, name: str) -> str:
        """The variable of the innermost loop around this place."""
        loops = self._loops()
        return self.variables.free(f"{loops[-1]}_{name}") if loops else name

    def loop_indices(self) -> list[str]:
        """The JSONata expressions that tell this iteration from every other, the outermost loop first."""
        return list(self.indices().values())

    def indices(self) -> dict[str, str]:
        """Of each loop around this place the variable of its index, and the expression that reads it here."""
        found = {}
        for loop in self._loops():
            name = self.variables.free(f"{loop}_index")
            border = distributed.border(self.compilation, self.graph, loop)
            found[name] = distributed.member(self.variables, border, name) if border else f"${name}"
        return found

    def _loops(self) -> list[str]:
        """Ids of the loops around this place, the outermost first."""
        found = []
        owner = self.graph.owner
        while owner is not None:
            if owner.spec is not None and owner.spec.type == "loop":
                found.append(owner.id)
            owner = owner.graph.owner
        return found[::-1]


def literal(value: Any) -> Any:
    """A value that Step Functions leaves alone; text in `{% %}` would be evaluated, so it becomes a JSONata string."""
    if isinstance(value, str) and (value.startswith("{%") or value.endswith("%}")):
        return jsonata(json.dumps(value, ensure_ascii=False))
    if isinstance(value, dict):
        return {key: literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [literal(item) for item in value]
    return value

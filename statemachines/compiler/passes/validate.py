"""Validating: whatever a definition says that has no meaning, all of it at once.

Before:  a condition with the edge {"from": "route", "to": "page", "case": "urgnet"}, a transform that reads `$clasify`
After:   `edge.case_unknown` at edges[3].case (did you mean 'urgent'?) and `name.unknown` at nodes[4].config.output
         (did you mean '$classify'?)
"""

from collections.abc import Callable

from statemachines.compiler.compilation import Compilation
from statemachines.compiler.rules.agents import agents
from statemachines.compiler.rules.edges import edges
from statemachines.compiler.rules.express import express
from statemachines.compiler.rules.expressions import expressions
from statemachines.compiler.rules.ids import ids
from statemachines.compiler.rules.nodes import nodes
from statemachines.compiler.rules.schemas import schemas
from statemachines.compiler.rules.waiting import waiting

RULES: tuple[Callable[[Compilation], None], ...] = (
    ids,
    edges,
    nodes,
    agents,
    waiting,
    express,
    expressions,
    schemas,
)


def validate(compilation: Compilation) -> None:
    """Adds a diagnostic for each mistake."""
    for rule in RULES:
        rule(compilation)

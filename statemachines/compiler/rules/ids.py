"""Node ids must not take a name that expressions use for something else."""

from shared.workflow.definition import RESERVED_IDS
from shared.workflow.expressions import HOST_FUNCTIONS
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.reads import JSONATA_FUNCTIONS


def ids(compilation: Compilation) -> None:
    """`$input` is the execution's input, `$sum(…)` a function: a node of that name would hide them."""
    for node in compilation.nodes.values():
        if node.id in RESERVED_IDS:
            taken = "a name that every expression has"
        elif node.id in JSONATA_FUNCTIONS | HOST_FUNCTIONS:
            taken = "a JSONata function"
        else:
            continue
        compilation.error(
            "node.id_reserved",
            f"{node.path}.id",
            f"`${node.id}` is {taken}, so no node can have the id '{node.id}'.",
            node=node.id,
            value=node.id,
            fix=f"Rename the node, for example to '{node.id}_1'.",
        )

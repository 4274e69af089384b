"""What n8n puts into scope: `$json`, `$input`, `$('Node')`, `$execution`, `$now` and their relatives.

Source: https://docs.n8n.io/code/builtin/overview/
"""

from typing import TYPE_CHECKING

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.javascript.scope import Scope
from statemachines.importers.n8n.problems import NotSimple

if TYPE_CHECKING:
    from statemachines.importers.n8n.javascript.calls import Call

_NAMESPACES = frozenset(
    {"$input", "$node", "$execution", "$workflow", "Math", "Object", "JSON", "Array", "Number", "Date", "DateTime"}
)
_NODE = "node:"
_CONTEXT = "context:"
_WHY_NOT = {
    "$env": "environment variables are not in scope of a workflow; put the value into the input or a connection",
    "$vars": "n8n's variables are not exported; write the value in",
    "$secrets": "secrets are never in scope; name a connection",
    "$binary": "binary data is not kept",
    "$runIndex": "how often a node has run is not known",
    "$prevNode": "which node came before is not known",
    "$parameter": "a node's own parameters are not in scope",
    "$jmespath": "JMESPath is not JSONata",
    "$response": "pagination is not translated",
    "$pageCount": "pagination is not translated",
}
_OF_EXECUTION = {
    ("$execution", "id"): "id",
    ("$execution", "mode"): "trigger.type",
    ("$workflow", "id"): "workflow_id",
    ("$workflow", "name"): "workflow",
}
_DAY = 86_400_000


def named(name: str, scope: Scope) -> Code:
    """What an identifier stands for that JavaScript itself has not bound."""
    if name == "$json":
        return scope.roots.item().of_kind("any")
    if name in ("$itemIndex", "$position"):
        return scope.roots.position()
    if name == "$now":
        return Code("$millis()", "date")
    if name == "$today":
        return Code(f"$floor($millis() / {_DAY}) * {_DAY}", "date", tight=False)
    if name == "items":
        return scope.roots.items()
    if name in _NAMESPACES:
        return c.namespace(name)
    if name in _WHY_NOT:
        raise NotSimple(f"`{name}`: {_WHY_NOT[name]}")
    raise NotSimple(f"`{name}` is not known here")


def member(space: str, name: str, scope: Scope) -> Code:
    """A member of one of them: `$input.item`, `$node["Set"].json`, `$execution.id`."""
    if space == "$input" and name == "item":
        return scope.roots.item()
    if space == "$node":
        return c.namespace(_NODE + name)
    if space.startswith(_NODE):
        return _of_node(space.removeprefix(_NODE), name, scope)
    if space.startswith(_CONTEXT):
        return scope.roots.node_context(space.removeprefix(_CONTEXT), name)
    if (space, name) in _OF_EXECUTION:
        return c.path(c.variable("execution"), _OF_EXECUTION[space, name])
    raise NotSimple(f"`{_shown(space)}.{name}` has no plain counterpart")


def _of_node(node: str, name: str, scope: Scope) -> Code:
    if name == "item":
        return scope.roots.node_item(node, "paired")
    if name in ("json", "data"):
        return scope.roots.node_item(node, "paired").of_kind("any")
    if name == "context":
        return c.namespace(_CONTEXT + node)
    raise NotSimple(f"`{name}` of the node '{node}' is not kept; only its items' `json` is")


def call(made: "Call") -> Code | None:
    """A call of one of n8n's own; None where the name is none of them."""
    if made.receiver.namespace in ("", None):
        return _function(made)
    space = made.receiver.namespace or ""
    if space == "$input":
        return _items_call(made, made.scope.roots.items())
    if space.startswith(_NODE):
        node = space.removeprefix(_NODE)
        if made.name in ("first", "last"):
            return made.scope.roots.node_item(node, made.name)
        if made.name == "all":
            return made.scope.roots.node_items(node)
        raise made.unsupported()
    return None


def _items_call(made: "Call", items: Code) -> Code:
    if made.name == "all":
        return items
    if made.name in ("first", "last"):
        return Code(f"{items.operand}[{0 if made.name == 'first' else -1}]", "item")
    raise made.unsupported()


def _function(made: "Call") -> Code | None:
    if made.name == "$":
        return c.namespace(_NODE + made.constant(0, "string").literal)
    if made.name == "$items":
        if not made.nodes:
            return made.scope.roots.items()
        return made.scope.roots.node_items(made.constant(0, "string").literal)
    if made.name in _WHY_NOT:
        raise NotSimple(f"`{made.name}`: {_WHY_NOT[made.name]}")
    return None


def _shown(space: str) -> str:
    if space.startswith(_CONTEXT):
        return f"$('{space.removeprefix(_CONTEXT)}').context"
    return f"$('{space.removeprefix(_NODE)}')" if space.startswith(_NODE) else space

"""Which fields of a node hold expressions, and which names those read."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from shared.workflow.definition import (
    AgentConfig,
    ApprovalConfig,
    ConditionConfig,
    DelayConfig,
    ForEachConfig,
    Node,
    SubworkflowConfig,
    ToolConfig,
    TransformConfig,
    WebhookConfig,
    WhileConfig,
)
from shared.workflow.expressions import HOST_FUNCTIONS, compiled, expressions_in
from statemachines.compiler.model import GraphNode

EXPRESSION_FIELDS: dict[type, tuple[str, ...]] = {
    AgentConfig: ("instructions", "prompt", "tools.[].arguments", "memory.key"),
    ToolConfig: ("arguments",),
    TransformConfig: ("output",),
    ForEachConfig: ("items",),
    WhileConfig: ("condition", "initial"),
    WebhookConfig: ("url", "query", "headers", "body"),
    DelayConfig: ("seconds", "until"),
    ApprovalConfig: ("title", "description", "approvers", "escalate_to"),
    SubworkflowConfig: ("input",),
}
"""Where a config may hold expressions; `[]` stands for each item of a list.

Every other field is taken as written, even where its text looks like an expression."""

JSONATA_FUNCTIONS = frozenset(
    [
        "abs",
        "append",
        "assert",
        "average",
        "base64decode",
        "base64encode",
        "boolean",
        "ceil",
        "clone",
        "contains",
        "count",
        "decodeUrl",
        "decodeUrlComponent",
        "distinct",
        "each",
        "encodeUrl",
        "encodeUrlComponent",
        "error",
        "eval",
        "exists",
        "filter",
        "floor",
        "formatBase",
        "formatInteger",
        "formatNumber",
        "fromMillis",
        "join",
        "keys",
        "length",
        "lookup",
        "lowercase",
        "map",
        "match",
        "max",
        "merge",
        "millis",
        "min",
        "not",
        "now",
        "number",
        "pad",
        "parseInteger",
        "power",
        "reduce",
        "replace",
        "reverse",
        "round",
        "shuffle",
        "sift",
        "single",
        "sort",
        "split",
        "spread",
        "sqrt",
        "string",
        "substring",
        "substringAfter",
        "substringBefore",
        "sum",
        "toMillis",
        "trim",
        "type",
        "typeOf",
        "uppercase",
        "zip",
    ]
)
"""Source: https://docs.jsonata.org/overview, function library"""


def node_expressions(node: GraphNode) -> Iterator[tuple[str, str]]:
    """(JSON path, JSONata text) of every expression of a node, those of its bodies' nodes left out."""
    if node.spec is None:
        return
    for field, value in expression_values(node.spec):
        yield from expressions_in(value, f"{node.path}.config.{field}")
    if node.spec.cache is not None:
        yield from expressions_in(node.spec.cache.key, f"{node.path}.cache.key")


def expression_values(spec: Node) -> Iterator[tuple[str, Any]]:
    """(field, value) of the config's fields that may hold expressions, given ones only."""
    config = spec.config
    if isinstance(config, ConditionConfig):
        for index, case in enumerate(config.cases):
            yield f"cases[{index}].when", case.when
        return
    for field in EXPRESSION_FIELDS.get(type(config), ()):
        yield from _values(config, field.split("."), "")


def _values(value: Any, field: list[str], path: str) -> Iterator[tuple[str, Any]]:
    if not field:
        yield path, value
    elif field[0] == "[]":
        for index, item in enumerate(value):
            yield from _values(item, field[1:], f"{path}[{index}]")
    elif hasattr(value, field[0]):
        yield from _values(getattr(value, field[0]), field[1:], f"{path}.{field[0]}" if path else field[0])


@lru_cache(maxsize=8192)
def names_in(source: str) -> frozenset[str]:
    """The free names of an expression; calls of functions that are there anyway do not count.

    Raises:
        ExpressionError: it does not compile.
    """
    return compiled(source).variables() - HOST_FUNCTIONS

"""JSON Schemas inside a definition must be schemas, and must need nothing from elsewhere."""

import re
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from shared.workflow.definition import AgentNode, AgentTool, ApprovalNode
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.suggest import shortened

_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("regex", raises=(re.error, OverflowError, RecursionError))
def _is_pattern(value: object) -> bool:
    """The check of jsonschema itself lets out what `re` raises for deep nesting and for great repetitions."""
    return not isinstance(value, str) or bool(re.compile(value))


def schemas(compilation: Compilation) -> None:
    """Checks every JSON Schema of the definition."""
    document = compilation.document
    if isinstance(document, dict) and isinstance(document.get("input_schema"), dict):
        _schema(compilation, document["input_schema"], "input_schema", None)
    for node in compilation.nodes.values():
        if isinstance(node.spec, AgentNode) and node.spec.config.output_schema is not None:
            _schema(compilation, node.spec.config.output_schema, f"{node.path}.config.output_schema", node.id)
        if isinstance(node.spec, AgentNode):
            for index, tool in enumerate(node.spec.config.tools):
                if isinstance(tool, AgentTool) and tool.input_schema is not None:
                    _schema(compilation, tool.input_schema, f"{node.path}.config.tools[{index}].input_schema", node.id)
        if isinstance(node.spec, ApprovalNode) and node.spec.config.form_schema is not None:
            _schema(compilation, node.spec.config.form_schema, f"{node.path}.config.form_schema", node.id)


def _schema(compilation: Compilation, schema: dict[str, Any], path: str, node: str | None) -> None:
    try:
        Draft202012Validator.check_schema(schema, format_checker=_FORMATS)
    except SchemaError as error:
        where = path + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        compilation.error(
            "schema.invalid",
            where,
            f"This is not valid JSON Schema: {shortened(error.message)}.",
            node=node,
            value=shortened(error.instance),
            fix="Correct it as JSON Schema draft 2020-12: https://json-schema.org/understanding-json-schema.",
        )
        return
    except RecursionError:
        compilation.error(
            "schema.invalid",
            path,
            "This schema nests too deeply to be checked.",
            node=node,
            fix="Move inner schemas to `$defs` at its top, and refer to them as `#/$defs/<name>`.",
        )
        return
    resolver = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
    for where, reference in _references(schema, path):
        try:
            resolver.lookup(reference)
        except (Unresolvable, ValueError):
            compilation.error(
                "schema.reference",
                where,
                f"The reference {shortened(reference)!r} leads nowhere within this schema; nothing is fetched.",
                node=node,
                value=shortened(reference),
                fix="Put the definition under `$defs` and refer to it as `#/$defs/<name>`.",
            )


def _references(schema: Any, path: str) -> Iterator[tuple[str, str]]:
    """`$ref`s wherever a schema can stand, but not in `enum`, `const` and the like, where they are plain data."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from _references(item, f"{path}[{index}]")
    if not isinstance(schema, dict):
        return
    for key, value in schema.items():
        if key in ("$ref", "$dynamicRef") and isinstance(value, str):
            yield f"{path}.{key}", value
        elif key not in ("enum", "const", "default", "examples"):
            yield from _references(value, f"{path}.{key}")

"""n8n's parameter values: constants, and text that begins with `=` and holds `{{ JavaScript }}`.

"Dear friend"                    a constant
"={{ $json.total * 1.19 }}"      the value of the expression
"=Dear {{ $json.name }}!"        text around it
"""

import json
from typing import Any, NamedTuple

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.javascript import Roots, expression

_HOLE = "\ue000hole{}\ue001"


class Piece(NamedTuple):
    source: str
    computed: bool


def is_computed(value: Any) -> bool:
    """Whether a parameter is an expression."""
    return isinstance(value, str) and value.startswith("=")


def pieces(text: str) -> list[Piece]:
    """The fixed and the computed parts of a parameter, without its `=`. A `{{` that is not closed is fixed text."""
    found: list[Piece] = []
    rest = text
    while (start := rest.find("{{")) >= 0 and (end := rest.find("}}", start)) >= 0:
        while rest[end + 2 : end + 3] == "}":  # `{{ {a: {}}}}`: the last two close it
            end += 1
        if start:
            found.append(Piece(rest[:start], computed=False))
        found.append(Piece(rest[start + 2 : end].strip(), computed=True))
        rest = rest[end + 2 :]
    if rest or not found:
        found.append(Piece(rest, computed=False))
    return found


def parameter(value: Any, roots: Roots) -> Code:
    """The code of a parameter's value, at any depth.

    Raises:
        NotSimple: it holds an expression that has no plain counterpart.
    """
    if is_computed(value):
        parts = pieces(value[1:])
        if len(parts) == 1 and parts[0].computed:
            return expression(parts[0].source, roots)
        return c.joined([_piece(each, roots) for each in parts])
    if isinstance(value, dict):
        return c.entries({key: parameter(each, roots) for key, each in value.items()})
    if isinstance(value, list):
        return c.array([parameter(each, roots) for each in value])
    return c.constant(value)


def _piece(piece: Piece, roots: Roots) -> Code:
    return expression(piece.source, roots) if piece.computed else c.constant(piece.source)


def json_parameter(value: Any, roots: Roots) -> Code:
    """The code of a parameter that holds JSON as text, with expressions in it; the JSON is read now where it can be.

    Raises:
        NotSimple: it holds an expression that has no plain counterpart.
        ValueError: it is constant, and no JSON.
    """
    if not isinstance(value, str):
        return parameter(value, roots)
    if not value.startswith("="):
        return c.constant(json.loads(value))
    parts = pieces(value[1:])
    computed = [each for each in parts if each.computed]
    if len(computed) == 1 and not any(each.source.strip() for each in parts if not each.computed):
        found = expression(computed[0].source, roots)
        if found.unquoted is not None:
            return found.unquoted
        return c.call("parse", found) if found.kind == "string" else found
    codes = [expression(each.source, roots) for each in computed]
    try:
        return _filled(json.loads(_with_holes(parts)), codes)
    except ValueError:
        return c.call("parse", c.joined([_piece(each, roots) for each in parts]))


def _with_holes(parts: list[Piece]) -> str:
    """JSON in which each expression is a marked text, or part of one."""
    text, number, inside = "", 0, False
    for each in parts:
        if each.computed:
            hole = _HOLE.format(number)
            number += 1
            text += hole if inside else f'"{hole}="'
        else:
            text += each.source
            inside ^= each.source.replace("\\\\", "").replace('\\"', "").count('"') % 2 == 1
    return text


def _filled(value: Any, codes: list[Code]) -> Code:
    if isinstance(value, dict):
        return c.entries({key: _filled(each, codes) for key, each in value.items()})
    if isinstance(value, list):
        return c.array([_filled(each, codes) for each in value])
    if not isinstance(value, str) or "\ue000hole" not in value:
        return c.constant(value)
    if value.startswith("\ue000hole") and value.endswith("\ue001="):
        found = codes[int(value[5:-2])]
        return found.unquoted or found
    parts: list[Code] = []
    for number, each in enumerate(value.split("\ue000hole")):
        index, _, rest = each.partition("\ue001") if number else ("", "", each)
        parts += [codes[int(index)]] if number else []
        parts += [c.constant(rest)] if rest else []
    return c.joined(parts)

"""Templates as JSONata text, and names bound in front of it."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from shared.workflow.expressions import source_of
from statemachines.compiler.fusing.plain import given, plain, without_brackets
from statemachines.compiler.reads import names_in

_HELPERS = {
    "$_p": "function($v) { $type($v) = 'array' ? $append($v, []) : $v }",
    "$_v": "function($v, $n) { $exists($v) ? ($type($v) = 'array' ? $append($v, []) : $v)"
    " : $error($n & ': an expression returned nothing.') }",
    "$_w": "function($v) { $type($v) = 'array' ? [[$v]] : [$v] }",
}
"""`$_p` makes an array an ordinary one; `$_v` does, and refuses what is absent, as ASL does; `$_w` gives an array of
one element. No node's id begins with an underscore."""

_CALLED = re.compile(r"\$_[pvw](?=\()")
_CHANGING = re.compile(r"\$(uuid|random|now|millis|shuffle)\b")
_MAX_ELEMENTS = 30


def reads_of(template: Any) -> frozenset[str]:
    """The variables that a template reads, `$states` left out."""
    return frozenset().union(*(names_in(source) for source in sources(template))) - {"states"}


def sources(template: Any) -> Iterable[str]:
    """Every expression of a template."""
    source = source_of(template)
    if source is not None:
        yield source
    elif isinstance(template, dict):
        for item in template.values():
            yield from sources(item)
    elif isinstance(template, list):
        for item in template:
            yield from sources(item)


def changes(template: Any) -> bool:
    """Whether a second evaluation may give something else."""
    return any(_CHANGING.search(source) for source in sources(template))


def reads_states(template: Any, *members: str) -> bool:
    """Whether it reads one of these members of `$states`."""
    return any(f"$states.{member}" in source for source in sources(template) for member in members)


def size(template: Any) -> int:
    """Characters of the template."""
    return len(json.dumps(template, ensure_ascii=False))


def expression(template: Any, node: str, *, bound: bool = True) -> str | None:
    """One JSONata expression for a template; None where there is none.

    `bound`: others read the value by a name, so that it must be what JSON would make of it. `node` is named where an
    expression returns nothing.
    """
    source = source_of(template)
    if source is not None:
        return _leaf(source, node, bound=bound)
    if isinstance(template, dict):
        members = [(key, expression(item, node, bound=bound)) for key, item in template.items()]
        if any(text is None for _, text in members):
            return None
        return f"{{{', '.join(f'{json.dumps(key, ensure_ascii=False)}: {text}' for key, text in members)}}}"
    if isinstance(template, list) and any(True for _ in sources(template)):
        return _array([expression(item, node, bound=bound) for item in template])
    return json.dumps(template, ensure_ascii=False)


def _leaf(source: str, node: str, *, bound: bool) -> str | None:
    if given(source):
        return source
    found = plain(source)
    if found is None:
        return None if bound else f"$_v({source}, {json.dumps(node)})"
    return found.text if found.certain else f"$_v({found.text}, {json.dumps(node)})"


def _array(items: Sequence[str | None]) -> str | None:
    """JSONata's `[a, b]` would put the elements of an array `a` in the place of `a`."""
    if len(items) > _MAX_ELEMENTS or None in items:
        return None
    text = "[]"
    for item in reversed(items):
        text = f"$append($_w({item}), {text})"
    return text


def let(bindings: Iterable[tuple[str, str]], result: str) -> str:
    """`( $name := text; … result )`."""
    result = without_brackets(result)
    lets = "".join(f"${name} := {text}; " for name, text in bindings)
    used = set(_CALLED.findall(lets + result))
    helpers = "".join(f"{name} := {text}; " for name, text in _HELPERS.items() if name in used)
    return f"( {helpers}{lets}{result} )"

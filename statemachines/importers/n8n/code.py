"""Pieces of JSONata text, with what is known of their values.

JavaScript and JSONata differ where a value is missing, null, or of an unexpected type. The constructors here write the
JSONata that has JavaScript's meaning; where the kind of a value is known, that is shorter.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal[
    "any", "string", "number", "boolean", "test", "array", "object", "null", "date", "item", "items", "regex"
]
"""`test`: a boolean that may also be absent, which JSONata takes for false. `date`: milliseconds that stand for a point
in time. `item` and `items`: n8n's items, `{json: …}`; their text is the JSON itself, since nothing else is kept."""

MISSING: Any = object()
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NOT = " ? false : true"
_WORDS = frozenset({"and", "or", "in", "true", "false", "null", "function"})


@dataclass(frozen=True)
class Code:
    """JSONata text. `tight`: it can be an operand as it stands. `literal`: its value, where that is constant."""

    text: str
    kind: Kind = "any"
    tight: bool = True
    literal: Any = MISSING
    fields: Mapping[str, "Code"] = field(default_factory=dict)
    """Members that can be said more briefly than by a path."""
    unquoted: "Code | None" = None
    """Of a text made by JSON.stringify: the value itself."""
    namespace: str | None = None
    """A name that only has members, such as `Math` or `$('Set')`; it is no value itself."""

    @property
    def operand(self) -> str:
        """As a part of other text. In JSONata `[$x][0].a` is nothing, `([$x])[0].a` is what it says."""
        return self.text if self.tight and not self.text.startswith("[") else f"({self.text})"

    @property
    def constant(self) -> bool:
        return self.literal is not MISSING

    def of_kind(self, kind: Kind) -> "Code":
        return replace(self, kind=kind)

    def template(self) -> Any:
        """As a definition holds it: the constant, or the expression in `{% %}`."""
        if self.constant:
            return escaped(self.literal)
        return f"{{% {value(self).text} %}}"


def escaped(constant: Any) -> Any:
    """A constant that no text of is taken for an expression."""
    if isinstance(constant, str):
        marked = constant.startswith("{%") or constant.endswith("%}")
        return f"{{% {quoted(constant)} %}}" if marked else constant
    if isinstance(constant, dict):
        return {key: escaped(each) for key, each in constant.items()}
    if isinstance(constant, list):
        return [escaped(each) for each in constant]
    return constant


def quoted(text: str) -> str:
    """A JSONata string; `%}` would end the expression in Step Functions."""
    return json.dumps(text, ensure_ascii=False).replace("%}", "%\\u007d")


def constant(literal: Any) -> Code:
    """The code of a JSON value."""
    kinds: dict[type, Kind] = {str: "string", bool: "boolean", int: "number", float: "number", list: "array"}
    kind: Kind = "null" if literal is None else kinds.get(type(literal), "object")
    text = json.dumps(literal, ensure_ascii=False).replace("%}", "%\\u007d")
    return Code(text, kind, tight=not text.startswith("-"), literal=literal)


def namespace(name: str) -> Code:
    """What only has members; its text is no JSONata, so that it cannot pass for a value."""
    return Code("<namespace>", namespace=name)


def variable(name: str) -> Code:
    """`$name`."""
    return Code(f"${name}")


def member(whole: Code, name: str) -> Code:
    """`whole.name`."""
    if name in whole.fields:
        return whole.fields[name]
    if whole.fields:
        return Code("$lookup({}, '')")
    if "`" in name:
        return Code(f"$lookup({whole.text}, {quoted(name)})")
    step = name if _NAME.fullmatch(name) and name not in _WORDS else f"`{name}`"
    return Code(f"{whole.operand}.{step}")


def path(whole: Code, dotted: str) -> Code:
    """`whole.a.b` for `a.b`."""
    for name in dotted.split("."):
        whole = member(whole, name)
    return whole


def operation(left: Code, operator: str, right: Code, kind: Kind) -> Code:
    """`left operator right`."""
    return Code(f"{left.operand} {operator} {right.operand}", kind, tight=False)


def call(function: str, *arguments: Code, kind: Kind = "any") -> Code:
    """`$function(arguments)`."""
    return Code(f"${function}({', '.join(each.text for each in arguments)})", kind)


def choose(test: str, yes: Code, no: Code) -> Code:
    """`test ? yes : no`."""
    kind = yes.kind if yes.kind == no.kind else "any"
    return Code(f"{test} ? {yes.operand} : {no.operand}", kind, tight=False)


def listed(items: Code) -> Code:
    """A list in any case: JSONata gives a list of one as its only item, and an empty one as nothing."""
    if items.kind in ("array", "items") and items.text.startswith("[") and items.text.endswith("]"):
        return items
    return Code(f"[{items.text}]", "items" if items.kind == "items" else "array")


def array(items: Sequence[Code]) -> Code:
    """An array of these."""
    if all(each.constant for each in items):
        return constant([each.literal for each in items])
    return Code(f"[{', '.join(map(_element, items))}]", "array")


def _element(code: Code) -> str:
    """JSONata flattens an element that is an array; in brackets of its own it stays one."""
    text = value(code).text
    if code.kind == "array" and not text.startswith("["):
        return f"[{text}]"
    return f"$type({text}) = 'array' ? [[{text}]] : {text}" if code.kind == "any" else text


def entries(members: Mapping[str, Code]) -> Code:
    """An object. A member that is absent is left out, as JSON does with undefined."""
    if all(each.constant for each in members.values()):
        return constant({key: each.literal for key, each in members.items()})
    text = ", ".join(f"{quoted(key)}: {value(each).text}" for key, each in members.items())
    return Code(f"{{{text}}}", "object")


def merged(parts: Sequence[Code]) -> Code:
    """One object of several; a later one wins."""
    if len(parts) == 1:
        return parts[0]
    return Code(f"$merge([{', '.join(each.text for each in parts)}])", "object")


def value(code: Code) -> Code:
    """What JavaScript would have as a value: a date as text, a test as true or false."""
    if code.kind == "date":
        return Code(f"$fromMillis({code.text})", "string")
    if code.kind == "test":
        return Code(f"{code.operand} ? true : false", "boolean", tight=False)
    return code


def truth(code: Code) -> str:
    """A test for JavaScript's idea of true; an operand."""
    if code.kind in ("boolean", "test"):
        return code.operand
    if code.constant:
        return "true" if code.literal not in (False, None, 0, "") or code.literal in ([], {}) else "false"
    if code.kind in ("string", "number"):
        return f"$boolean({code.text})"
    if code.kind in ("array", "object", "date", "item", "items"):
        return f"$exists({code.text})"
    return f"($exists({code.text}) and $not({code.text} in [false, 0, '', null]))"


def negated(code: Code) -> Code:
    """JavaScript's `!`. JSONata's $not of nothing is nothing, so a choice is made."""
    if code.kind == "boolean" and code.text.endswith(NOT):
        return Code(code.text.removesuffix(NOT), "test", tight=code.text.startswith("("))
    return Code(f"{truth(code)}{NOT}", "boolean", tight=False)


def given(code: Code) -> str:
    """A test that it is neither absent nor null; an operand."""
    return f"({code.operand} != null)"


def emptiness(code: Code) -> Code:
    """Whether it is absent, null, or has nothing in it."""
    whole = value(code)
    tests = f"{whole.operand} in [null, ''] or {whole.operand} = [] or {whole.operand} = {{}}"
    return Code(f"$not($exists({whole.text})) or {tests}", "boolean", tight=False)


def text_of(code: Code) -> Code:
    """As text, where null and nothing are empty, as in n8n's templates."""
    if code.kind in ("string", "number", "boolean", "array", "object"):
        return code
    if code.kind in ("date", "test"):
        return value(code)
    return Code(f"{code.operand} = null ? '' : {code.operand}", tight=False)


def joined(parts: Sequence[Code]) -> Code:
    """Their texts in a row."""
    pieces = [text_of(each) for each in parts]
    if len(pieces) == 1:
        return pieces[0] if pieces[0].kind == "string" else Code(f"'' & {pieces[0].operand}", "string", tight=False)
    return Code(" & ".join(each.operand for each in pieces), "string", tight=False)


def number_of(code: Code) -> Code:
    """As a number; text is converted, as JavaScript's arithmetic does."""
    if code.kind in ("number", "date"):
        return code
    return call("number", code, kind="number")


def string_of(code: Code) -> Code:
    """JavaScript's String(…)."""
    return code if code.kind == "string" else call("string", value(code), kind="string")

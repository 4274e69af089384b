"""Which JSONata text may be bound to a name in place of an ASL variable.

Step Functions writes a variable as JSON and reads it back. A name bound by `:=` keeps the value itself, and JSONata's
arrays remember where they came from: the result of `$a.b[]` stays an array only for as long as nobody reads it through
an object, that of `$rows.[a, b]` never lets go of its inner arrays. JSON forgets all of this, so a chain of transforms
in one expression could give something else than the same transforms in states of their own.

`plain` therefore takes only text whose arrays it can copy into ordinary ones: at the top, and where an object is built.
Everything else that can put such an array inside of a value is refused: functions that take functions, lambdas, group
by, `~>`, the transform operator, joins, and arrays built as a step of a path.
Source: `evaluateStep` and `createSequence` of https://github.com/jsonata-js/jsonata/blob/master/src/jsonata.js
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from shared.workflow.expressions import HOST_FUNCTIONS
from statemachines.compiler.reads import JSONATA_FUNCTIONS

_HIGHER_ORDER = frozenset({"map", "filter", "each", "sift", "reduce", "single", "eval", "clone"})
_CALLABLE = (JSONATA_FUNCTIONS | HOST_FUNCTIONS) - _HIGHER_ORDER
_TOKEN = re.compile(
    r"(?P<space>\s+|/\*[\s\S]*?\*/)"
    r"""|(?P<value>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"""
    r"|(?P<variable>\$\w*|\$\$)|(?P<name>[^\W\d]\w*)"
    r"|(?P<operator>\.\.|:=|!=|<=|>=|\*\*|~>|\?\?|\?:|[\s\S])"
)
_INFIX_WORDS = frozenset({"and", "or", "in"})
_REFUSED = frozenset({"|", "@", "#", "~>", "λ", "function", "$$"})
_AFTER_AN_ARRAY = frozenset({".", "[", "{", "^", "("})

_Kind: TypeAlias = Literal["(", "call", "index", "array", "object", "sort"]


class _NotPlain(Exception):
    pass


@dataclass(slots=True)
class _Bracket:
    kind: _Kind
    ternaries: int = 0
    value: bool = False
    """Of an object: inside a member's value."""


@lru_cache(maxsize=8192)
def plain(source: str) -> str | None:
    """The text with `$_p(…)` around the values of the objects that it builds; None where it may not be bound."""
    try:
        return "".join(_Reader(source).parts())
    except _NotPlain:
        return None


class _Reader:
    """Goes through the tokens; `operand` says whether the last one ended a value."""

    def __init__(self, source: str) -> None:
        self.tokens = [(str(each.lastgroup), each[0]) for each in _TOKEN.finditer(source)]
        self.open: list[_Bracket] = []
        self.last = ""
        self.operand = False
        self.array_closed = False

    def parts(self) -> Iterator[str]:
        for index, (kind, text) in enumerate(self.tokens):
            if kind == "space":
                yield text
                continue
            if text in _REFUSED or (self.array_closed and text in _AFTER_AN_ARRAY):
                raise _NotPlain
            self.array_closed = False
            if kind == "operator" or (text in _INFIX_WORDS and self.operand):
                yield self.operator(text)
            else:
                self.word(kind, text, self.following(index))
                yield text
            self.last = text
        if self.open:
            raise _NotPlain

    def following(self, index: int) -> str:
        return next((text for kind, text in self.tokens[index + 1 :] if kind != "space"), "")

    def word(self, kind: str, text: str, following: str) -> None:
        """A literal, a name or a variable; a function must be called, and be one that takes no function."""
        called = following == "("
        known = kind == "variable" and text[1:] in JSONATA_FUNCTIONS | HOST_FUNCTIONS
        if self.operand or called != known or (called and text[1:] not in _CALLABLE):
            raise _NotPlain
        self.operand = True

    def operator(self, text: str) -> str:
        handler = {"(": self.begin, "[": self.begin, "{": self.begin, ")": self.end, "]": self.end, "}": self.end}
        if text in handler:
            return handler[text](text)
        return self.between(text)

    def begin(self, text: str) -> str:
        if text == "(":
            self.open.append(_Bracket("call" if self.operand else "("))
        elif text == "[":
            if self.last == ".":
                raise _NotPlain
            self.open.append(_Bracket("index" if self.operand else "array"))
        else:
            if self.operand:
                raise _NotPlain
            self.open.append(_Bracket("object"))
        self.operand = False
        return text

    def end(self, text: str) -> str:
        bracket = self.open.pop() if self.open else None
        if bracket is None or {"call": ")", "(": ")", "index": "]", "array": "]", "object": "}"}[bracket.kind] != text:
            raise _NotPlain
        self.operand = True
        self.array_closed = bracket.kind == "array"
        return f"){text}" if bracket.value else text

    def between(self, text: str) -> str:
        bracket = self.open[-1] if self.open else _Bracket("(")
        if not self.operand and (text in ("*", "**")):  # a wildcard
            self.operand = True
            return text
        if not self.operand and text in ("/", "%", "?", "&"):  # a regular expression, a parent, a placeholder
            raise _NotPlain
        self.operand = False
        if text == "?":
            bracket.ternaries += 1
        elif text == ":" and bracket.ternaries:
            bracket.ternaries -= 1
        elif text == ":" and bracket.kind == "object":
            bracket.value = True
            return ": $_p("
        elif text == "," and bracket.value:
            bracket.value = False
            return "),"
        return text

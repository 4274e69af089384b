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
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from shared.workflow.expressions import HOST_FUNCTIONS
from statemachines.compiler.reads import JSONATA_FUNCTIONS

_HIGHER_ORDER = frozenset({"map", "filter", "each", "sift", "reduce", "single", "eval", "clone"})
_FUNCTIONS = JSONATA_FUNCTIONS | HOST_FUNCTIONS
_CALLABLE = _FUNCTIONS - _HIGHER_ORDER
_TOKEN = re.compile(
    r"(?P<space>\s+|/\*[\s\S]*?\*/)"
    r"""|(?P<value>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"""
    r"|(?P<variable>\$\w*|\$\$)|(?P<name>[^\W\d]\w*)"
    r"|(?P<operator>\.\.|:=|!=|<=|>=|\*\*|~>|\?\?|\?:|[\s\S])"
)
_INFIX_WORDS = frozenset({"and", "or", "in"})
_REFUSED = frozenset({"|", "@", "#", "~>", "λ", "function", "$$"})
_SIMPLE = frozenset({*"{}:,.()?", "!="})
_AFTER_AN_ARRAY = frozenset({".", "[", "{", "^", "("})

_Kind: TypeAlias = Literal["(", "call", "index", "array", "object"]
_CLOSED_BY: dict[_Kind, str] = {"(": ")", "call": ")", "index": "]", "array": "]", "object": "}"}


_GIVEN = re.compile(r"""\s*(?:\$states(?:\.\w+|\[\d+\])*|"[^"\\]*"|'[^'\\]*'|\d+|true|false|null)\s*""")


class _NotPlain(Exception):
    pass


@dataclass(slots=True)
class _Bracket:
    kind: _Kind
    start: int
    """Index of its first part."""
    ternaries: int = 0
    value: int | None = None
    """Of an object: index of the first part of the member's value that is being read."""


class Plain(NamedTuple):
    """Text whose value may be bound. `certain`: it is an object or an ordinary array, and never absent; `simple`: and
    made of variables and members only."""

    text: str
    certain: bool
    simple: bool


@lru_cache(maxsize=8192)
def plain(source: str) -> Plain | None:
    """The text with `$_p(…)` around the values of the objects that it builds; None where it may not be bound."""
    try:
        reader = _Reader(source)
        reader.read()
    except _NotPlain:
        return None
    return Plain("".join(reader.parts), reader.certain, reader.certain and reader.simple)


def given(source: str) -> bool:
    """Whether the text is a literal, or a path to what a state is given: JSON as it is."""
    return _GIVEN.fullmatch(source) is not None


def infallible(source: str) -> bool:
    """Whether it surely gives something: a literal, what a state is given, or an object of variables and members."""
    found = plain(source)
    return given(source) or (found is not None and found.simple)


def without_brackets(source: str) -> str:
    """What stands between the brackets of `( … )`; other text as it is."""
    tokens = [(str(each.lastgroup), each[0]) for each in _TOKEN.finditer(source)]
    depth = 0
    for index, (kind, text) in enumerate(tokens):
        depth += (kind == "operator") * ((text == "(") - (text == ")"))
        if text == "/" or (depth == 0 and index < len(tokens) - 1):  # a regular expression may hold brackets
            return source
    return source[1:-1].strip() if source.startswith("(") and depth == 0 else source


class _Reader:
    """Goes through the tokens; `operand` says whether the last one ended a value."""

    def __init__(self, source: str) -> None:
        self.tokens = [(str(each.lastgroup), each[0]) for each in _TOKEN.finditer(source)]
        self.behind = _behind(self.tokens)
        self.open: list[_Bracket] = []
        self.parts: list[str] = []
        self.last = ""
        self.operand = False
        self.array_closed = False
        self.certain = False
        self.simple = all(
            (kind != "operator" or text in _SIMPLE) and not (kind == "variable" and text[1:] in _CALLABLE)
            for kind, text in self.tokens
        )

    def read(self) -> None:
        for index, (kind, text) in enumerate(self.tokens):
            if kind != "space":
                self.token(kind, text, self.behind[index])
                self.last = text
            self.parts.append(text)
        if self.open:
            raise _NotPlain

    def token(self, kind: str, text: str, following: str) -> None:
        if text in _REFUSED or (self.array_closed and text in _AFTER_AN_ARRAY):
            raise _NotPlain
        self.array_closed = self.certain = False
        if kind != "operator" and not (text in _INFIX_WORDS and self.operand):
            self.word(kind, text, following)
        elif text in "([{":
            self.begin(text)
        elif text in ")]}":
            self.end(text)
        else:
            self.between(text)

    def word(self, kind: str, text: str, following: str) -> None:
        """A literal, a name or a variable; a function must be called, and be one that takes no function."""
        called = following == "("
        known = kind == "variable" and text[1:] in _FUNCTIONS
        if self.operand or called != known or (called and text[1:] not in _CALLABLE):
            raise _NotPlain
        self.operand = True

    def begin(self, text: str) -> None:
        if (text == "[" and self.last == ".") or (text == "{" and self.operand):
            raise _NotPlain
        kinds: dict[str, tuple[_Kind, _Kind]] = {"(": ("(", "call"), "[": ("array", "index"), "{": ("object", "object")}
        self.open.append(_Bracket(kinds[text][self.operand], len(self.parts)))
        self.operand = False

    def end(self, text: str) -> None:
        bracket = self.open.pop() if self.open else None
        if bracket is None or _CLOSED_BY[bracket.kind] != text:
            raise _NotPlain
        self.wrap(bracket)
        self.operand = True
        self.array_closed = bracket.kind == "array"
        merged = bracket.kind == "call" and "".join(self.parts).startswith("$merge([") and bracket.start == 1
        self.certain = merged or (bracket.start == 0 and bracket.kind in ("object", "array"))

    def wrap(self, bracket: _Bracket) -> None:
        """Makes the arrays of a member's value ordinary ones."""
        if bracket.value is not None:
            value = "".join(self.parts[bracket.value :])
            del self.parts[bracket.value :]
            self.parts.append(value if given(value) else f" $_p({value.strip()})")
            bracket.value = None

    def between(self, text: str) -> None:
        bracket = self.open[-1] if self.open else _Bracket("(", 0)
        if not self.operand and text in ("*", "**"):  # a wildcard
            self.operand = True
            return
        if not self.operand and text in ("/", "%", "?", "&"):  # a regular expression, a parent, a placeholder
            raise _NotPlain
        self.operand = False
        if text == "?":
            bracket.ternaries += 1
        elif text == ":" and bracket.ternaries:
            bracket.ternaries -= 1
        elif text == ":" and bracket.kind == "object":
            bracket.value = len(self.parts) + 1
        elif text == ",":
            self.wrap(bracket)


def _behind(tokens: list[tuple[str, str]]) -> list[str]:
    """For each token the text of the next one that is no space."""
    found, following = [], ""
    for kind, text in reversed(tokens):
        found.append(following)
        following = following if kind == "space" else text
    return found[::-1]

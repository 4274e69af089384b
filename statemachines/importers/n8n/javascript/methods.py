"""Methods of texts, arrays and numbers. Those of dates are in `dates`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code, Kind
from statemachines.importers.n8n.javascript import dates
from statemachines.importers.n8n.problems import NotSimple

if TYPE_CHECKING:
    from statemachines.importers.n8n.javascript.calls import Call

_SPACE = "/^\\s+|\\s+$/"


def call(made: "Call") -> Code:
    """The code of a method's call. Raises NotSimple."""
    if made.receiver.kind == "date" or (made.name in dates.METHODS and made.name not in _METHODS):
        return dates.call(made)
    if made.receiver.kind == "regex":
        return _test(made)
    handler = _METHODS.get(made.name)
    if handler is None:
        raise made.unsupported()
    return handler(made)


def _plain(function: str, kind: Kind) -> Callable[["Call"], Code]:
    return lambda made: c.call(function, made.receiver, kind=kind)


def _trim(made: "Call") -> Code:
    """JSONata's $trim would also change blanks within the text."""
    return Code(f"$replace({made.receiver.text}, {_SPACE}, '')", "string")


def _by_type(made: "Call", of_text: str, of_array: str, kind: Kind) -> Code:
    """One of two texts, by the receiver's type, which may only be known when it runs."""
    if made.receiver.kind == "string":
        return Code(of_text, kind)
    if made.receiver.kind in ("array", "items"):
        return Code(of_array, kind, tight=False)
    return Code(f"$type({made.receiver.text}) = 'string' ? {of_text} : {of_array}", kind, tight=False)


def _includes(made: "Call") -> Code:
    found = made.argument(0)
    in_text = f"$contains({made.receiver.text}, {c.string_of(found).text})"
    return _by_type(made, in_text, f"({found.operand} in {made.receiver.operand})", "test")


def _test(made: "Call") -> Code:
    if made.name != "test":
        raise made.unsupported()
    return Code(f"$contains({c.string_of(made.argument(0)).text}, {made.receiver.text})", "test")


def _match(made: "Call") -> Code:
    """`text.match(/re/)`: the whole match and its groups, or nothing; with `g` all the matches."""
    pattern = made.argument(0)
    if pattern.kind != "regex":
        raise made.unsupported()
    if pattern.literal:
        return Code(f"[$match({made.receiver.text}, {pattern.text}).match]", "array")
    found = f"$match({made.receiver.text}, {pattern.text})[0]"
    return Code(f"($found := {found}; $exists($found) ? $append([$found.match], $found.groups) : null)")


def _starts(made: "Call") -> Code:
    text = made.constant(0, "string")
    return Code(f"$substring({made.receiver.text}, 0, {len(text.literal)}) = {text.text}", "boolean", tight=False)


def _ends(made: "Call") -> Code:
    text = made.constant(0, "string")
    if not text.literal:
        return c.constant(literal=True)
    return Code(f"$substring({made.receiver.text}, -{len(text.literal)}) = {text.text}", "boolean", tight=False)


def _replace(made: "Call") -> Code:
    pattern, new = made.argument(0), made.constant(1, "string")
    if pattern.kind == "regex":
        once = not pattern.literal
        if "$&" in new.literal or "$<" in new.literal:
            raise made.unsupported()
    else:
        once = made.name == "replace"
        pattern = made.constant(0, "string")
        if "$" in new.literal or not pattern.literal:
            raise made.unsupported()
    limit = ", 1" if once else ""
    return Code(f"$replace({made.receiver.text}, {pattern.text}, {new.text}{limit})", "string")


def _substring(made: "Call") -> Code:
    start = made.constant(0, "number")
    numbers = [start.literal] + ([made.constant(1, "number").literal] if len(made.nodes) > 1 else [])
    if any(not isinstance(each, int) or each < 0 for each in numbers) or sorted(numbers) != numbers:
        raise made.unsupported()
    length = f", {numbers[1] - numbers[0]}" if len(numbers) > 1 else ""
    return Code(f"$substring({made.receiver.text}, {start.text}{length})", "string")


def _slice(made: "Call") -> Code:
    numbers = [made.constant(index, "number").literal for index in range(len(made.nodes))]
    whole = made.receiver.text
    if numbers == []:
        return made.receiver
    if any(not isinstance(each, int) for each in numbers):
        raise made.unsupported()
    if len(numbers) == 1:
        tests = f"$pos >= {numbers[0]}" if numbers[0] >= 0 else f"$pos >= $count({whole}) - {-numbers[0]}"
        length = ""
    elif 0 <= numbers[0] <= numbers[1]:
        tests = f"$pos >= {numbers[0]} and $pos < {numbers[1]}"
        length = f", {numbers[1] - numbers[0]}"
    else:
        raise made.unsupported()
    of_array = f"[$filter({whole}, function($left, $pos) {{ {tests} }})]"
    kind: Kind = made.receiver.kind if made.receiver.kind in ("string", "array", "items") else "any"
    return _by_type(made, f"$substring({whole}, {numbers[0]}{length})", of_array, kind)


def _pad(made: "Call") -> Code:
    width = made.constant(0, "number").literal * (-1 if made.name == "padStart" else 1)
    filler = made.argument(1, c.constant(" "))
    return Code(f"$pad({c.string_of(made.receiver).text}, {width}, {filler.text})", "string")


def _fixed(made: "Call") -> Code:
    digits = made.argument(0, c.constant(0)).literal
    if not isinstance(digits, int) or not 0 <= digits <= 20:  # noqa: PLR2004 - what JavaScript is sure to take
        raise made.unsupported()
    picture = c.quoted("0." + "0" * digits if digits else "0")
    return Code(f"$formatNumber({c.number_of(made.receiver).text}, {picture})", "string")


def _split(made: "Call") -> Code:
    separator = made.argument(0)
    if separator.kind not in ("string", "regex") or len(made.nodes) > 1:
        raise made.unsupported()
    return Code(f"$split({made.receiver.text}, {separator.text})", "array")


def _join(made: "Call") -> Code:
    separator = made.argument(0, c.constant(","))
    texts = made.receiver.text if made.receiver.text.startswith("$split(") else f"$map({made.receiver.text}, $string)"
    return Code(f"$join({texts}, {separator.text})", "string")


def _mapped(made: "Call") -> Code:
    parameters, body = made.function(0, [_element(made), "number"])
    if body.kind in ("array", "items"):
        raise NotSimple(f"`{made.source}` makes lists in a list, which JSONata flattens")
    return Code(f"[$map({made.receiver.text}, function({parameters}) {{ {c.value(body).text} }})]", "array")


def _filtered(made: "Call", *, inverted: bool = False) -> str:
    parameters, body = made.function(0, [_element(made), "number"])
    test = f"{c.truth(body)} ? false : true" if inverted else c.truth(body)
    return f"$filter({made.receiver.text}, function({parameters}) {{ {test} }})"


def _filter(made: "Call") -> Code:
    return Code(f"[{_filtered(made)}]", "items" if made.receiver.kind == "items" else "array")


def _find(made: "Call") -> Code:
    return Code(f"{_filtered(made)}[0]", _element(made))


def _some(made: "Call") -> Code:
    return Code(f"$exists({_filtered(made)})", "boolean")


def _every(made: "Call") -> Code:
    return Code(f"$exists({_filtered(made, inverted=True)}) ? false : true", "boolean", tight=False)


def _reduce(made: "Call") -> Code:
    start = c.value(made.argument(1))
    parameters, body = made.function(0, [start.kind, _element(made), "number"])
    code = c.value(body)
    kind: Kind = start.kind if code.kind == start.kind else "any"
    return Code(
        f"$reduce({c.listed(made.receiver).text}, function({parameters}) {{ {code.text} }}, {start.text})", kind
    )


def _element(made: "Call") -> Kind:
    return "item" if made.receiver.kind == "items" else "any"


def _at(position: int) -> Callable[["Call"], Code]:
    return lambda made: Code(f"{made.receiver.operand}[{position}]", _element(made))


def _index(made: "Call") -> Code:
    return Code(f"{made.receiver.operand}[{made.constant(0, 'number').text}]", _element(made))


def _string(made: "Call") -> Code:
    return c.string_of(made.receiver)


def _json_string(made: "Call") -> Code:
    return Code(c.call("string", made.receiver).text, "string", unquoted=made.receiver)


def _empty(made: "Call") -> Code:
    whole = made.receiver
    if whole.kind in ("array", "items"):
        found = Code(f"$count({whole.text}) = 0", "boolean", tight=False)
    else:
        found = c.emptiness(whole)
    return found if made.name == "isEmpty" else c.negated(found)


def _listed(function: str) -> Callable[["Call"], Code]:
    def handler(made: "Call") -> Code:
        if made.nodes:
            raise made.unsupported()
        return Code(f"[${function}({made.receiver.text})]", "array")

    return handler


_METHODS: dict[str, Callable[["Call"], Code]] = {
    "toUpperCase": _plain("uppercase", "string"),
    "toLowerCase": _plain("lowercase", "string"),
    "trim": _trim,
    "split": _split,
    "includes": _includes,
    "match": _match,
    "startsWith": _starts,
    "endsWith": _ends,
    "replace": _replace,
    "replaceAll": _replace,
    "substring": _substring,
    "slice": _slice,
    "padStart": _pad,
    "padEnd": _pad,
    "toString": _string,
    "toFixed": _fixed,
    "toJsonString": _json_string,
    "toNumber": lambda made: c.number_of(made.receiver),
    "map": _mapped,
    "filter": _filter,
    "find": _find,
    "some": _some,
    "every": _every,
    "reduce": _reduce,
    "join": _join,
    "concat": lambda made: Code(f"$append({made.receiver.text}, {made.argument(0).text})", "array"),
    "at": _index,
    "first": _at(0),
    "last": _at(-1),
    "reverse": _listed("reverse"),
    "unique": _listed("distinct"),
    "sum": _plain("sum", "number"),
    "average": _plain("average", "number"),
    "keys": _listed("keys"),
    "isEmpty": _empty,
    "isNotEmpty": _empty,
    "toDateTime": lambda made: dates.point(made.receiver),
}

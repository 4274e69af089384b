"""JavaScript expressions: what they become gives what they gave. What is not simple is refused with its reason."""

from typing import Any

import pytest

from shared.workflow.expressions import UndefinedResult, compiled
from statemachines.importers.n8n.code import Code, value
from statemachines.importers.n8n.javascript import expression, mapping
from statemachines.importers.n8n.problems import NotSimple

JSON = {
    "s": "Hello World",
    "n": 7,
    "zero": 0,
    "nil": None,
    "yes": True,
    "no": False,
    "list": [3, 1, 2],
    "rows": [{"id": 1, "n": 10}, {"id": 2, "n": None}],
    "one": ["only"],
    "none": [],
    "o": {"a": 1, "b c": {"d": 2}},
    "empty": {},
    "text": "5",
    "when": "2026-03-04T05:06:07.000Z",
}
MISSING = object()


class Here:
    """n8n's data in a test: the item is `$json`, another node's items are `$other`."""

    def item(self) -> Code:
        return Code("$json", "item")

    def items(self) -> Code:
        return Code("[$json]", "items")

    def position(self) -> Code:
        return Code("$pos", "number")

    def node_item(self, name: str, at: str) -> Code:
        return Code("$other[0]", "item")

    def node_items(self, name: str) -> Code:
        return Code("$other", "items")

    def node_context(self, name: str, key: str) -> Code:
        return Code("$pos", "number")

    def free(self, name: str) -> str:
        return f"js_{name}" if name.isidentifier() and name.isascii() else "js"


def evaluated(code: Code) -> Any:
    try:
        return compiled(value(code).text).evaluate(
            {"json": JSON, "pos": 4, "other": [{"x": 1}, {"x": 2}], "execution": {"id": "e1"}}
        )
    except UndefinedResult:
        return MISSING


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # members
        ("$json.s", "Hello World"),
        ("$json['o']['b c'].d", 2),
        ("$json.o?.nothing?.deep", MISSING),
        ("$json.rows[1].id", 2),
        ("$json.list[0] + $json.list[2]", 5),
        ("$json.one", ["only"]),
        ("$json.none", []),
        ("$json.rows[$json.n - 6].id", 2),
        ("$json[$json.text]", MISSING),
        # operators
        ("1 + 2 * 3 - 4 / 2", 5),
        ("'a' + 1 + 2", "a12"),
        ("1 + 2 + 'a'", "3a"),
        ("$json.n + 1", 8),
        ("$json.text + 1", "51"),
        ("$json.text * 2", 10),
        ("-$json.n", -7),
        ("+$json.text", 5),
        ("7 % 4", 3),
        ("$json.n === 7", True),
        ("$json.n === '7'", False),
        ("$json.n == '7'", True),
        ("$json.n != 8", True),
        ("$json.nothing === undefined", True),
        ("$json.nil === undefined", False),
        ("$json.nil === null", True),
        ("$json.nothing == null", True),
        ("$json.nothing !== 'x'", True),
        ("$json.nothing > 3", False),
        ("!($json.nothing > 3)", True),
        ("$json.n >= 7 && $json.n < 8", True),
        ("$json.zero || 'other'", "other"),
        ("$json.zero ?? 'other'", 0),
        ("$json.nil ?? 'other'", "other"),
        ("$json.nothing ?? 'other'", "other"),
        ("$json.yes && $json.s", "Hello World"),
        ("$json.no && $json.s", False),
        ("!$json.nothing", True),
        ("!$json.none", False),
        ("!!$json.empty", True),
        ("!!$json.s", True),
        ("$json.zero ? 1 : 2", 2),
        ("$json.none ? 'array' : 'no'", "array"),
        ("true ? null : 1", None),
        # literals
        ("'it\\'s \\u00e9\\n'", "it's é\n"),
        ('"{% x %}"', "{% x %}"),
        ("`${$json.n}/${$json.nil}`", "7/null"),
        ("``", ""),
        ("[1, 'a', [2], $json.list]", [1, "a", [2], [3, 1, 2]]),
        ("[...$json.list, 4]", [3, 1, 2, 4]),
        ("({ a: 1, 'b c': $json.n, nothing: $json.nothing })", {"a": 1, "b c": 7}),
        ("({ ...$json.o, a: 2 })", {"a": 2, "b c": {"d": 2}}),
        (".5 + 1.", 1.5),
        ("0x10", 16),
        # texts
        ("$json.s.length", 11),
        ("$json.list.length", 3),
        ("$json.none.length", 0),
        ("$json.s.toLowerCase()", "hello world"),
        ("'  a  b '.trim()", "a  b"),
        ("$json.s.split(' ')[1]", "World"),
        ("'only'.split(',')", ["only"]),
        ("$json.s.includes('World')", True),
        ("$json.list.includes(4)", False),
        ("$json.s.startsWith('Hell')", True),
        ("$json.s.endsWith('ld')", True),
        ("$json.s.replace('o', '0')", "Hell0 World"),
        ("$json.s.replace(/o/g, '0')", "Hell0 W0rld"),
        ("$json.s.replace(/(w)/i, '[$1]')", "Hello [W]orld"),
        ("$json.s.replaceAll('l', 'L')", "HeLLo WorLd"),
        ("$json.s.slice(-5)", "World"),
        ("$json.s.substring(0, 5)", "Hello"),
        ("/^hello/i.test($json.s)", True),
        ("$json.s.match(/o/g).length", 2),
        ("$json.s.match(/(W)orld/)[1]", "W"),
        ("'5'.padStart(3, '0')", "005"),
        ("$json.n.toString()", "7"),
        ("(2 / 3).toFixed(2)", "0.67"),
        # arrays
        ("$json.rows.map(r => r.id * 2)", [2, 4]),
        ("$json.one.map(x => x.toUpperCase())", ["ONLY"]),
        ("$json.none.map(x => x)", []),
        ("$json.list.map((x, i) => x * i)", [0, 1, 4]),
        ("$json.list.map(function (x) { return x + 0; })", [3, 1, 2]),
        ("$json.rows.filter(r => r.n).length", 1),
        ("$json.rows.find(r => r.id === 2).n", None),
        ("$json.rows.some(r => r.id > 5)", False),
        ("$json.rows.every(r => r.id > 0)", True),
        ("$json.list.reduce((sum, x) => sum + x, 0)", 6),
        ("$json.list.slice(0, 1)", [3]),
        ("$json.list.slice(-1)", [2]),
        ("$json.list.join('-')", "3-1-2"),
        ("$json.list.concat([9])", [3, 1, 2, 9]),
        ("$json.list.at(-1)", 2),
        ("$json.list.first() + $json.list.last()", 5),
        ("$json.list.sum()", 6),
        ("$json.empty.isEmpty()", True),
        ("$json.s.isNotEmpty()", True),
        # functions
        ("Number($json.text) + parseInt('42') + parseFloat('0.5')", 47.5),
        ("parseInt(-1.5)", -1),
        ("String($json.n)", "7"),
        ("Boolean($json.zero)", False),
        ("Math.round(2.5)", 3),
        ("Math.floor(-1.5)", -2),
        ("Math.max(1, $json.n, 3)", 7),
        ("Math.min(...$json.list)", 1),
        ("JSON.stringify({ a: [1, null] })", '{"a":[1,null]}'),
        ("Object.keys($json.o)", ["a", "b c"]),
        ("Object.values({ a: 1, b: 2 })", [1, 2]),
        ("Array.isArray($json.list)", True),
        ("encodeURIComponent('a b&c')", "a%20b%26c"),
        ("$if($json.yes, 'y', 'n')", "y"),
        ("$ifEmpty($json.nothing, 'e')", "e"),
        # dates, in UTC
        ("new Date($json.when).getTime()", 1772600767000),
        ("new Date($json.when).toISOString()", "2026-03-04T05:06:07.000Z"),
        ("DateTime.fromISO($json.when).plus({ days: 1, hours: 2 }).toISO()", "2026-03-05T07:06:07.000Z"),
        ("DateTime.fromISO($json.when).minus(1, 'week').toFormat('dd.MM.yyyy HH:mm:ss')", "25.02.2026 05:06:07"),
        ("DateTime.fromISO($json.when).startOf('day').toMillis()", 1772582400000),
        ("$json.when.toDateTime().toFormat(\"yyyy-MM-dd'T'HH\")", "2026-03-04T05"),
        ("DateTime.fromISO($json.when)", "2026-03-04T05:06:07.000Z"),
        ("$now.toMillis() > 1700000000000 && $today < $now", True),
        # n8n
        ("$itemIndex", 4),
        ("$input.item.json.n", 7),
        ("$input.first().json.n", 7),
        ("$input.all().map(item => item.json.n)", [7]),
        ("$('Other').item.json.x", 1),
        ("$node['Other'].json.x", 1),
        ("$('Other').all()[1].json.x", 2),
        ("$items('Other').length", 2),
        ("$execution.id", "e1"),
    ],
)
def test_an_expression_gives_what_javascript_gives(source: str, expected: Any) -> None:
    found = evaluated(expression(source, Here()))
    assert found == expected
    assert type(found) is type(expected) or isinstance(found, int | float)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "JavaScript"),
        ("a +", "JavaScript"),
        ("1; 2", "JavaScript"),
        ("someName", "`someName` is not known"),
        ("$env.KEY", "environment variables"),
        ("$vars.x", "variables are not exported"),
        ("$secrets.a.b", "connection"),
        ("$json.a = 1", "no plain counterpart"),
        ("$json.a++", "no plain counterpart"),
        ("typeof $json.a", "`typeof`"),
        ("$json.a & 1", "`&`"),
        ("await x()", "no plain counterpart"),
        ("$json.s.localeCompare('x')", "localeCompare"),
        ("$json.list.map(x => { const y = x; return y; })", "more than return"),
        ("$json.list.map(({ a }) => a)", "not plain names"),
        ("$json.list.map(x => [x])", "lists in a list"),
        ("$json.s.replace(/a/y, '')", "flags"),
        ("$json.s.replace(x => x)", "no plain counterpart|too few"),
        ("$now.plus({ months: 1 })", "no fixed length"),
        ("$now.toFormat('zzzz')", "date format"),
        ("$('Other')", "no value"),
        ("Math", "no value"),
        ("$json.s.split('')[0]()", "no plain counterpart"),
        ("(() => 1)()", "no plain counterpart"),
        ("$jmespath($json, 'a')", "JMESPath"),
        ("$input.item.binary", "json"),
    ],
)
def test_what_is_not_simple_is_refused_with_its_reason(source: str, reason: str) -> None:
    with pytest.raises(NotSimple, match=reason):
        expression(source, Here())


@pytest.mark.parametrize(
    ("source", "shape", "expected"),
    [
        ("return items;", "many", [JSON]),
        ("return [];", "many", []),
        ("return items.map(item => ({ json: { n: item.json.n } }));", "each", {"n": 7}),
        ("return $input.all().map((item, i) => ({ json: { i }, pairedItem: i }));", "each", {"i": 4}),
        ("return items.map(item => item);", "each", JSON),
        ("return $input.all().map(({ json }) => json)", None, "plain names"),
        (
            "for (const item of items) { item.json.a = { b: 1 }; item.json.a.c = 2 } return items;",
            "each",
            {**JSON, "a": {"b": 1, "c": 2}},
        ),
        ("for (const i of items) i.json.n = i.json.n + 1;\nreturn items", "each", {**JSON, "n": 8}),
        ("const [a] = items; return [];", None, "takes a value apart"),
        ("const total = 3; const more = total + 1; return [{ json: { more } }];", "one", {"more": 4}),
        ("return { ok: true };", "one", {"ok": True}),
        ("return $json.rows.map(r => ({ json: { id: r.id } }));", "many", [{"id": 1}, {"id": 2}]),
        ("return $input.first().json.rows.map(r => ({ id: r.id }))", "many", [{"id": 1}, {"id": 2}]),
        ("if (items.length) { return items; } return [];", None, "more than a mapping"),
        ("items[0].json.x = 1; return items;", None, "more than a mapping"),
        ("for (const item of items) { item.json.n += 1 } return items;", None, "in place"),
        ("for (const item of items) { item.json.n = 1 } return [];", None, "does not return the items"),
        ("for (let i = 0; i < 3; i++) {} return items;", None, "more than a mapping"),
        ("return items.map(i => ({ json: {}, binary: i.binary }));", None, "binary"),
        ("return;", None, "returns nothing"),
        ("} function g() {", None, "list of statements"),
    ],
)
def test_scripts(source: str, shape: str | None, expected: Any) -> None:
    if shape is None:
        with pytest.raises(NotSimple, match=expected):
            mapping(source, Here(), Here(), each=False)
        return
    found = mapping(source, Here(), Here(), each=False)
    assert (found.shape, evaluated(found.code)) == (shape, expected)


def test_a_script_for_each_item() -> None:
    found = mapping("$input.item.json.a = $json.n; return $input.item;", Here(), Here(), each=True)
    assert evaluated(found.code) == {**JSON, "a": 7}
    with pytest.raises(NotSimple, match="after it was changed"):
        mapping("$input.item.json.a = 1; return { b: $json.a };", Here(), Here(), each=True)
    bare = mapping("item.a = item.n; item.b = item.a; return item;", Here(), Here(), each=True, bare=True)
    assert evaluated(bare.code) == {**JSON, "a": 7, "b": 7}

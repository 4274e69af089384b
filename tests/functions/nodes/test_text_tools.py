"""Tools that shape text: what they make of it, and that no template, pattern or document gets out of bounds."""

import time

import pytest

from functions.nodes.tool.core import ToolDeps, run
from shared.errors import NodeConfigInvalid


@pytest.fixture
def use(node_call, http):
    async def _use(tool, **arguments):
        call = node_call("tool", {"tool": tool, "arguments": arguments})
        return (await run(call, ToolDeps(http.requester))).output

    return _use


async def test_a_template(use):
    template = "{% for o in orders if o.n > 1 %}{{ loop.index }}. {{ o.name|upper }}\n{% endfor %}{{ {'a': 1}|tojson }}"
    orders = [{"n": 1, "name": "x"}, {"n": 2, "name": "<y>"}]
    assert await use("text.template", template=template, values={"orders": orders}) == '1. <Y>\n{"a": 1}'
    assert "&lt;Y&gt;" in await use("text.template", template=template, values={"orders": orders}, html=True)


@pytest.mark.parametrize(
    "template",
    [
        "{{ missing }}",
        "{% for %}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ self._TemplateReference__context }}",
        "{{ lipsum.__globals__['os'].environ }}",
        "{{ values.append(1) }}",
        "{% include '/etc/passwd' %}",
        "{{ 'x' * 1000000000 }}",
        "{{ 'x'.ljust(2000000000) }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}xxxxxxxxxx{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ 9**9**9**9**9**9 }}",
    ],
)
async def test_a_template_that_is_wrong_or_hostile(use, template):
    began = time.monotonic()
    with pytest.raises(NodeConfigInvalid):
        await use("text.template", template=template, values={"values": [1]})
    assert time.monotonic() - began < 15


async def test_a_regular_expression(use):
    found = await use("text.regex", text="a1 B2", pattern=r"(?P<letter>[a-z])(\d)", flags=["ignorecase"])
    assert [each["match"] for each in found] == ["a1", "B2"]
    assert found[1] == {"match": "B2", "start": 3, "groups": ["B", "2"], "named": {"letter": "B"}}
    assert await use("text.regex", text="a1 b2", pattern=r"(\w)(\d)", replacement=r"\2\1") == "1a 2b"
    assert len(await use("text.regex", text="aaaa", pattern="a", max_matches=2)) == 2


@pytest.mark.parametrize(
    ("pattern", "more"),
    [("(", {}), ("(a+)+$", {}), ("a", {"replacement": "x" * 10_000}), ("a", {"replacement": "\\9"})],
)
async def test_a_pattern_that_is_wrong_or_does_not_end(use, pattern, more):
    with pytest.raises(NodeConfigInvalid):
        await use("text.regex", text="a" * 40_000 + "!", pattern=pattern, **more)


async def test_csv_goes_out_and_comes_back(use):
    rows = [{"a": 'x "y"', "b": 1}, {"a": "line\nbreak", "c": True}, {"a": "=1+1", "b": -1}]
    text = await use("csv.write", rows=rows)
    assert text == 'a,b,c\r\n"x ""y""",1,\r\n"line\nbreak",,true\r\n\'=1+1,-1,\r\n'
    assert (await use("csv.parse", text=text))[1] == {"a": "line\nbreak", "b": "", "c": "true"}
    assert await use("csv.write", rows=rows[2:], columns=["a"], guard_formulas=False, delimiter=";") == "a\r\n=1+1\r\n"
    with pytest.raises(NodeConfigInvalid, match=r"rows\[0\]\.a"):
        await use("csv.write", rows=[{"a": [1]}])


async def test_xml(use):
    parsed = await use("xml.parse", xml='<a xmlns="urn:x" k="v"> t <b/><b>2 &amp; 3</b></a>')
    assert (parsed["name"], parsed["attributes"], parsed["text"]) == ("a", {"k": "v"}, "t")
    assert [each["text"] for each in parsed["children"]] == ["", "2 & 3"]
    assert (await use("xml.parse", xml='<a xmlns="urn:x"/>', namespaces=True))["name"] == "{urn:x}a"


@pytest.mark.parametrize(
    "xml",
    [
        "<a>",
        "no xml",
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]><a>&y;</a>',
        '<!DOCTYPE a SYSTEM "http://169.254.169.254/"><a/>',
        "<a>" * 5_000 + "</a>" * 5_000,
    ],
)
async def test_xml_that_is_wrong_or_hostile(use, xml):
    with pytest.raises(NodeConfigInvalid):
        await use("xml.parse", xml=xml)


@pytest.mark.parametrize(
    ("arguments", "iso", "weekday"),
    [
        ({"value": "2026-07-01T12:00:00", "from_zone": "Europe/Vienna"}, "2026-07-01T10:00:00+00:00", 3),
        ({"value": "2026-01-01T12:00:00Z", "to_zone": "America/New_York"}, "2026-01-01T07:00:00-05:00", 4),
        ({"value": "Thu, 01 Jan 2026 12:00:00 +0100"}, "2026-01-01T11:00:00+00:00", 4),
        ({"value": 0}, "1970-01-01T00:00:00+00:00", 4),
        ({"value": "31.12.2026 23:59", "from_format": "%d.%m.%Y %H:%M"}, "2026-12-31T23:59:00+00:00", 4),
    ],
)
async def test_dates(use, arguments, iso, weekday):
    converted = await use("date.convert", to_format="%d %B %Y", **arguments)
    assert (converted["iso"], converted["weekday"]) == (iso, weekday)
    assert converted["text"].endswith(iso[:4])


@pytest.mark.parametrize(
    "arguments",
    [{"value": "tomorrow"}, {"value": "1", "from_format": "%d.%m"}, {"value": 1e20}, {"value": 0, "to_zone": "../x"}],
)
async def test_what_is_no_date(use, arguments):
    with pytest.raises(NodeConfigInvalid):
        await use("date.convert", **arguments)

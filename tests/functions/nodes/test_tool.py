"""The `tool` node, its registry, and each tool that comes with it."""

import json

import pytest
from pydantic import BaseModel, SecretStr

from functions.nodes.tool.core import ToolDeps, run
from functions.nodes.tool.registry import catalogue, find
from shared import errors
from shared.connections.kinds import Bearer
from shared.errors import AddressBlocked, ConnectionUnusable, NodeConfigInvalid


@pytest.fixture
def use(node_call, http):
    async def _use(tool, **arguments):
        return await run(node_call("tool", {"tool": tool, "arguments": arguments}), ToolDeps(http.requester))

    return _use


def test_the_catalogue_documents_every_tool():
    assert {"csv.parse", "html.to_text", "http.request", "mcp.call"} < set(catalogue())
    assert list(catalogue()) == sorted(catalogue())
    for name, tool in catalogue().items():
        assert tool.name == name
        assert tool.summary.endswith(".")
        assert issubclass(tool.arguments, BaseModel)
        assert tool.arguments.model_json_schema()["additionalProperties"] is False
        assert all(issubclass(getattr(errors, each), errors.NodeError) for each in tool.raises)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("http.requst", "Did you mean http.request?"),
        ("csv_parse", "Did you mean csv.parse?"),
        ("zzz", "There are connection.test, csv.parse, csv.write"),
    ],
)
def test_an_unknown_tool_gets_the_nearest_name(name, hint):
    with pytest.raises(NodeConfigInvalid, match=f"There is no tool '{name}'") as caught:
        find(name)
    assert hint in caught.value.message


async def test_all_mistakes_in_the_arguments_are_told_and_no_value(use):
    with pytest.raises(NodeConfigInvalid) as caught:
        await use("csv.parse", text=7, delimiter="s3cret", wrong=1)
    message = caught.value.message
    assert len(caught.value.details["mistakes"]) == 3
    assert all(f"{name}: " in message for name in ("text", "delimiter", "wrong"))
    assert "It takes text, delimiter, header, max_rows" in message
    assert "s3cret" not in message


@pytest.mark.parametrize("arguments", [None, ["a"], "text"])
async def test_arguments_are_an_object(node_call, http, arguments):
    with pytest.raises(NodeConfigInvalid):
        await run(node_call("tool", {"tool": "csv.parse", "arguments": arguments}), ToolDeps(http.requester))


async def test_a_tool_that_has_no_use_for_a_connection_refuses_it(node_call, http):
    call = node_call("tool", {"tool": "csv.parse", "connection": "c"})
    with pytest.raises(ConnectionUnusable, match="takes none"):
        await run(call, ToolDeps(http.requester), credentials=Bearer(token=SecretStr("s3cret")))


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        ({"text": 'a,b\r\n1,"x,\ny"\r\n'}, [{"a": "1", "b": "x,\ny"}]),
        ({"text": "a;b\n1;2\n\n3;4", "delimiter": ";"}, [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
        ({"text": "1,2\n3", "header": False}, [["1", "2"], ["3"]]),
        ({"text": ""}, []),
        ({"text": "a,b"}, []),
    ],
)
async def test_csv_parse(use, arguments, rows):
    result = await use("csv.parse", **arguments)
    assert result.output == rows
    assert result.meta["tool"] == "csv.parse"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"text": "a,b\n1"}, "Row 2 of the CSV has 1 fields; its header has 2"),
        ({"text": "a\n1\n2\n3", "max_rows": 2}, "has 3 rows; max_rows allows 2"),
        ({"text": 'a\n"open'}, "not CSV"),
    ],
)
async def test_csv_that_is_none(use, arguments, says):
    with pytest.raises(NodeConfigInvalid, match=says):
        await use("csv.parse", **arguments)


async def test_html_to_text(use):
    page = "<head><title>T</title></head><h1>A  &amp; B</h1><p>One<br>two <b>bold</b></p><script>x<y</script><li>end"
    assert (await use("html.to_text", html=page)).output == {"text": "A & B\nOne\ntwo bold\nend", "truncated": False}
    assert (await use("html.to_text", html="<p>long text", max_characters=4)).output == {
        "text": "long",
        "truncated": True,
    }
    assert (await use("html.to_text", html="seen<script>alert(1)")).output["text"] == "seen"


async def test_http_request_gives_the_answer_whatever_its_status(use, hostile):
    output = (await use("http.request", method="PUT", url=f"{hostile.url}/echo", body={"a": 1}, query={"b": 2})).output
    assert json.loads(output["body"]["body"]) == {"a": 1}
    assert output["body"]["path"] == "/echo?b=2"
    assert output["body"]["headers"]["idempotency-key"].endswith("-step")
    assert (await use("http.request", url=f"{hostile.url}/refused")).output["status"] == 422


async def test_http_request_is_under_the_egress_policy(use, hostile):
    with pytest.raises(AddressBlocked):
        await use("http.request", url=f"{hostile.url}/to?http://169.254.169.254/latest/")
    with pytest.raises(AddressBlocked):
        await use("http.request", url="http://localhost:1/")

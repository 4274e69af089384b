"""Tools over the stage's own stores: objects, values, and other workflows."""

import asyncio

import pytest

from functions.nodes.tool.core import ToolDeps, run
from functions.nodes.tool.registry import ToolServices
from shared.clock import SystemClock
from shared.errors import NodeConfigInvalid, NodeStoreUnavailable
from shared.executions.starting import WorkflowStarts
from shared.ids import is_id, new_id
from shared.settings import DEFAULT_PROJECT_ID
from shared.workflow.node_call import NodeCall
from tests.functions.nodes.conftest import EXECUTION
from tests.support.stores import new_workflow


@pytest.fixture
def use(stores, http):
    services = ToolServices(stores.blobs, stores.values, WorkflowStarts(stores.workflows, stores.queue, SystemClock()))

    async def _use(tool, *, project=DEFAULT_PROJECT_ID, services=services, execution=None, node="step", **arguments):
        call = {"node": node, "type": "tool", "config": {"tool": tool, "arguments": arguments}}
        about = EXECUTION | {"project_id": project, "id": execution or EXECUTION["id"]}
        made = NodeCall.model_validate(call | {"execution": about})
        return (await run(made, ToolDeps(http.requester, services))).output

    return _use


@pytest.mark.parametrize(
    ("content", "encoding"), [("Grüße", "text"), ("", "text"), ("AP8B", "base64"), ("x" * 300_000, "text")]
)
async def test_an_object_is_kept_and_given(use, content, encoding):
    key = f"reports/{new_id()}.csv"
    put = await use("object.put", key=key, content=content, encoding=encoding)
    assert put["key"] == key
    assert await use("object.get", key=key) == {"found": True, "content": content, "encoding": encoding}
    assert (await use("object.get", key=f"{key}.no"))["found"] is False


async def test_a_later_object_takes_the_place_of_the_earlier(use):
    for content in ("one", "two"):
        await use("object.put", key="same", content=content)
    assert (await use("object.get", key="same"))["content"] == "two"


async def test_objects_are_listed_by_folder_and_apart_for_each_project(use):
    folder = f"f-{new_id()}"
    for name in ("b", "a", "sub/c"):
        await use("object.put", key=f"{folder}/{name}", content=name)
    await use("object.put", key=f"{folder}2/x", content="x")
    await use("object.put", project=new_id(), key=f"{folder}/other", content="x")
    listed = await use("object.list", prefix=folder)
    assert [each["key"] for each in listed["objects"]] == [f"{folder}/{name}" for name in ("a", "b", "sub/c")]
    assert (listed["objects"][0]["bytes"], listed["truncated"]) == (1, False)
    assert listed["objects"][0]["modified_at"].endswith("Z")
    assert (await use("object.list", prefix=folder, limit=2))["truncated"] is True


@pytest.mark.parametrize("key", ["../x", "/x", "a//b", "a/../b", "a/.b", "", "a b", "ü", "x" * 501, "a/"])
async def test_keys_stay_in_their_place(use, key):
    with pytest.raises(NodeConfigInvalid):
        await use("object.put", key=key, content="x")
    with pytest.raises(NodeConfigInvalid):
        await use("object.get", key=key)


async def test_an_object_that_is_too_large(use):
    with pytest.raises(NodeConfigInvalid, match="10000001 bytes"):
        await use("object.put", key="large", content="x" * 10_000_001)
    with pytest.raises(NodeConfigInvalid, match="not base64"):
        await use("object.put", key="x", content="?", encoding="base64")


@pytest.mark.parametrize("value", [None, 0, "x", {"a": [1, None, "ü\u0000"]}])
async def test_a_value_is_kept_from_run_to_run(use, value):
    key = new_id()
    assert await use("kv.get", key=key, default="d") == {"found": False, "value": "d"}
    assert await use("kv.set", key=key, value=value) == {"written": True}
    assert await use("kv.get", key=key, execution=new_id()) == {"found": True, "value": value}


async def test_of_many_that_want_to_be_first_one_is(use):
    key = new_id()
    written = await asyncio.gather(*(use("kv.set", key=key, value=n, if_absent=True) for n in range(20)))
    assert sum(each["written"] for each in written) == 1
    kept = (await use("kv.get", key=key))["value"]
    assert written[kept]["written"] is True


async def test_a_value_expires(use, stores):
    keys = [new_id(), new_id()]
    for key in keys:
        await use("kv.set", key=key, value=1, ttl_seconds=1)
    while (await use("kv.get", key=keys[0]))["found"]:
        await asyncio.sleep(0.05)
    assert await use("kv.set", key=keys[0], value=2, if_absent=True) == {"written": True}
    async with stores.engine.connect() as connection:
        left = await connection.exec_driver_sql("SELECT count(*) FROM key_values WHERE key = %s", (keys[1],))
        assert left.scalar() == 0  # taken away on the way


async def test_a_value_that_is_too_large(use):
    with pytest.raises(NodeConfigInvalid, match=r"object\.put"):
        await use("kv.set", key="x", value="x" * 200_001)


async def test_another_workflow_is_started_once(use, stores):
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    execution = new_id()
    started = [
        await use("workflow.start", workflow=workflow.name, input={"n": 1}, execution=execution) for _ in range(2)
    ]
    other = await use("workflow.start", workflow=workflow.name, execution=execution, node="other")
    assert started[0] == started[1] != other
    assert is_id(started[0]["execution_id"])
    found = await stores.executions.get(DEFAULT_PROJECT_ID, started[0]["execution_id"])
    assert (found.workflow_id, found.input) == (workflow.id, {"n": 1})
    assert found.context["trigger"]["parent"] == {"execution_id": execution, "node": "step"}
    assert len((await stores.executions.list(DEFAULT_PROJECT_ID, workflow_id=workflow.id)).items) == 2


async def test_a_workflow_that_is_not_there(use):
    with pytest.raises(NodeConfigInvalid, match="no workflow 'nope'"):
        await use("workflow.start", workflow="nope")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("object.put", {"key": "x", "content": "x"}),
        ("object.list", {}),
        ("kv.get", {"key": "x"}),
        ("kv.set", {"key": "x", "value": 1}),
        ("workflow.start", {"workflow": "x"}),
    ],
)
async def test_a_stage_without_the_store_says_so(use, tool, arguments):
    with pytest.raises(NodeStoreUnavailable):
        await use(tool, services=ToolServices(), **arguments)

"""What stands around every node: claim checks for what is too large, and the cache of results."""

import orjson
import pytest
from redis.asyncio import Redis

from shared.adapters.blobs import ObjectBlobs
from shared.adapters.redis.result_cache import RedisResultCache
from shared.errors import NodeConfigInvalid, NodeStoreUnavailable, OutputTooLarge
from shared.ids import new_id
from shared.workflow.claim_checks import MAX_BLOB_BYTES, MAX_INLINE_BYTES, TICKET
from shared.workflow.node_call import NodeResult
from shared.workflow.node_lambda import NodeServices, answer
from tests.functions.nodes.conftest import EXECUTION

LARGE = "x" * (MAX_INLINE_BYTES + 1)


@pytest.fixture
def blobs(tmp_path):
    return ObjectBlobs((tmp_path / "blobs").as_uri())


def event(config=None, **more):
    return {"node": "step", "type": "tool", "config": config or {}, "execution": EXECUTION, **more}


def gives(output):
    async def run(_, *, credentials=None):
        return NodeResult(output=output)

    return run


async def echo(call, *, credentials=None):
    return NodeResult(output={"bytes": len(orjson.dumps(call.config)), "config": call.config})


@pytest.mark.parametrize("output", [None, "x", {"a": [1, 2]}, ["x" * (MAX_INLINE_BYTES - 100)]])
async def test_what_fits_stays_as_it_is(blobs, output):
    assert (await answer(event(), gives(output), NodeServices(blobs)))["output"] == output


async def test_of_a_large_object_only_the_large_member_goes(blobs):
    output = (await answer(event(), gives({"status": 200, "body": LARGE}), NodeServices(blobs)))["output"]
    assert output["status"] == 200
    assert output["body"][TICKET]["bytes"] == len(LARGE) + 2
    assert len(orjson.dumps(output)) < 500


@pytest.mark.parametrize("output", [LARGE, [LARGE], {str(n): "x" * 100 for n in range(5_000)}])
async def test_what_has_no_large_member_goes_as_a_whole(blobs, output):
    assert set((await answer(event(), gives(output), NodeServices(blobs)))["output"]) == {TICKET}


async def test_the_next_node_gets_the_value_itself(blobs):
    services = NodeServices(blobs)
    first = (await answer(event(), gives({"rows": [LARGE, 1], "n": 2}), services))["output"]
    seen = []

    async def run(call, *, credentials=None):
        seen.append(call.config)
        return NodeResult()

    await answer(event({"arguments": [first, {"deep": first["rows"]}]}), run, services)
    assert seen == [{"arguments": [{"rows": [LARGE, 1], "n": 2}, {"deep": [LARGE, 1]}]}]


async def test_a_retry_keeps_one_blob(blobs, tmp_path):
    for _ in range(2):
        await answer(event(), gives(LARGE), NodeServices(blobs))
    assert len([each for each in (tmp_path / "blobs").rglob("*") if each.is_file()]) == 1


async def test_too_large_for_a_blob(blobs):
    with pytest.raises(OutputTooLarge, match=str(MAX_BLOB_BYTES)):
        await answer(event(), gives(["x" * 1000] * 25_000), NodeServices(blobs))


async def test_without_a_blob_store_a_large_output_fails_here_and_not_in_the_machine():
    with pytest.raises(OutputTooLarge, match=str(MAX_INLINE_BYTES)):
        await answer(event(), gives(LARGE))


@pytest.mark.parametrize(
    "change",
    [
        lambda ticket: ticket | {"key": ticket["key"].replace(EXECUTION["project_id"], new_id())},
        lambda ticket: ticket | {"key": f"{EXECUTION['project_id']}/../{ticket['key']}"},
        lambda ticket: ticket | {"key": ticket["key"][:-1] + "x"},
        lambda ticket: ticket | {"sha256": "0" * 64},
        lambda ticket: ticket | {"bytes": 1},
        lambda ticket: ticket | {"bytes": "1"},
        lambda ticket: ticket | {"key": None},
        lambda _: {},
    ],
)
async def test_a_ticket_that_somebody_made_up_is_refused(blobs, change):
    output = (await answer(event(), gives(LARGE), NodeServices(blobs)))["output"]
    with pytest.raises(NodeConfigInvalid, match="claim check"):
        await answer(event({"x": {TICKET: change(output[TICKET])}}), echo, NodeServices(blobs))


async def test_tickets_for_more_than_a_call_may_hold_are_refused(blobs):
    output = (await answer(event(), gives("x" * 10_000_000), NodeServices(blobs)))["output"]
    with pytest.raises(NodeConfigInvalid, match="more than"):
        await answer(event({"x": [output] * 3}), echo, NodeServices(blobs))


async def test_a_blob_store_that_fails_is_worth_another_try(tmp_path):
    blobs = ObjectBlobs((tmp_path / "blobs").as_uri())
    (tmp_path / "blobs").rmdir()
    (tmp_path / "blobs").write_text("a file in its place")
    with pytest.raises(NodeStoreUnavailable):
        await answer(event(), gives(LARGE), NodeServices(blobs))
    assert NodeStoreUnavailable.retryable


async def test_a_cached_result_is_given_instead_of_the_work(redis_url):
    redis = Redis.from_url(redis_url)
    services, done = NodeServices(cache=RedisResultCache(redis)), []

    async def run(call, *, credentials=None):
        done.append(call.config)
        return NodeResult(output={"n": len(done)}, meta={"took": 1})

    cached = event({"a": 1}, cache={"key": new_id(), "ttl_seconds": 60})
    first = await answer(cached, run, services)
    assert await answer(cached, run, services) == {"output": first["output"], "meta": {"took": 1, "cached": True}}
    elsewhere = {
        "other key": cached | {"cache": {"key": new_id(), "ttl_seconds": 60}},
        "other node": cached | {"node": "other"},
        "other workflow": cached | {"execution": EXECUTION | {"workflow_id": new_id()}},
        "other project": cached | {"execution": EXECUTION | {"project_id": new_id()}},
        "no cache": event({"a": 1}),
    }
    for other in elsewhere.values():
        await answer(other, run, services)
    assert len(done) == 1 + len(elsewhere)
    await redis.aclose()

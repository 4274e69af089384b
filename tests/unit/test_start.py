"""The one way to start: what is refused reaches no queue."""

import hashlib
import time

import orjson
import pytest

from shared.clock import ManualClock
from shared.errors import Gone, InvalidDefinition, InvalidInput, MalformedRequest, RequestTooLarge, WorkflowInactive
from shared.executions.records import Accepted, StartRequest
from shared.executions.start import MAX_INPUT_BYTES, Origin, Startable, start
from shared.executions.validation import MAX_DIAGNOSTICS, check_input
from shared.ids import is_id
from shared.ports import StartQueue

SCHEMA = {
    "type": "object",
    "required": ["issue", "action"],
    "properties": {
        "issue": {"type": "object", "properties": {"labels": {"type": "array", "items": {"type": "string"}}}},
        "action": {"enum": ["opened", "closed"]},
        "mail": {"format": "email"},
    },
}


class Kept(StartQueue):
    """Remembers what was submitted."""

    def __init__(self):
        self.requests: list[StartRequest] = []

    async def submit(self, request):
        self.requests.append(request)
        return Accepted(request.execution_id)


@pytest.fixture
def queue():
    return Kept()


def target(status="active", schema=None):
    return Startable("p", "w", "greet", status, 3, schema)


ORIGIN = Origin(trigger={"type": "manual"}, correlation_id="c-1")


async def test_a_request_names_the_version_and_where_it_comes_from(queue):
    clock = ManualClock()
    origin = Origin({"type": "webhook", "id": "t"}, "c-1", trigger_id="t", delivery_id="d", idempotency_key="k")

    accepted = await start(target(), {"b": 1, "a": [2]}, origin, queue=queue, clock=clock)

    (request,) = queue.requests
    assert accepted == Accepted(request.execution_id)
    assert is_id(request.execution_id)
    assert (request.workflow_id, request.version, request.created_at) == ("w", 3, clock.now())
    assert request.context == {
        "trigger": {"type": "webhook", "id": "t"},
        "correlation_id": "c-1",
        "delivery_id": "d",
    }
    assert (request.trigger_id, request.idempotency_key) == ("t", "k")


async def test_the_digest_ignores_the_order_of_keys(queue):
    keyed = Origin({"type": "manual"}, "c", idempotency_key="k")
    for data in ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2, "b": 1}):
        await start(target(), data, keyed, queue=queue, clock=ManualClock())

    first, second, third = (each.request_digest for each in queue.requests)
    assert first == second != third


async def test_a_fingerprint_stands_for_the_input(queue):
    keyed = Origin({"type": "webhook"}, "c", idempotency_key="k", fingerprint=b"raw")

    await start(target(), {"headers": {"user-agent": "a"}}, keyed, queue=queue, clock=ManualClock())

    assert queue.requests[0].request_digest == hashlib.sha256(b"raw").hexdigest()


@pytest.mark.parametrize(
    ("status", "error"), [("draft", WorkflowInactive), ("paused", WorkflowInactive), ("deleted", Gone)]
)
async def test_only_active_workflows_start(queue, status, error):
    with pytest.raises(error, match="'greet'"):
        await start(target(status), {}, ORIGIN, queue=queue, clock=ManualClock())
    assert queue.requests == []


async def test_input_that_breaks_the_schema_is_refused(queue):
    with pytest.raises(InvalidInput):
        await start(target(schema=SCHEMA), {"issue": {}}, ORIGIN, queue=queue, clock=ManualClock())
    assert queue.requests == []


async def test_input_above_the_limit_is_refused(queue):
    with pytest.raises(RequestTooLarge, match=str(MAX_INPUT_BYTES)):
        await start(target(), "x" * MAX_INPUT_BYTES, ORIGIN, queue=queue, clock=ManualClock())
    assert queue.requests == []


async def test_input_that_is_not_json_is_refused(queue):
    with pytest.raises(MalformedRequest):
        await start(target(), {"n": 2**70}, ORIGIN, queue=queue, clock=ManualClock())
    assert queue.requests == []


def test_every_mistake_names_its_path():
    with pytest.raises(InvalidInput) as caught:
        check_input(SCHEMA, {"issue": {"labels": ["a", 7]}, "mail": "nobody"}, 50)

    found = {each.path: each for each in caught.value.diagnostics}
    assert set(found) == {"input.action", "input.issue.labels[1]", "input.mail"}
    assert found["input.issue.labels[1]"].value == 7
    assert found["input.issue.labels[1]"].allowed == {"type": ["string"]}
    assert found["input.action"].code == "input.required"


def test_diagnostics_are_bounded_in_number_and_size():
    with pytest.raises(InvalidInput) as caught:
        check_input({"items": {"type": "integer"}}, ["x" * 10_000] * 1_000, 1_000)

    assert len(caught.value.diagnostics) == MAX_DIAGNOSTICS
    assert len(orjson.dumps([each.as_dict() for each in caught.value.diagnostics])) < 100_000


def test_a_reference_out_of_the_schema_is_never_fetched():
    with pytest.raises(InvalidDefinition, match="never fetched"):
        check_input({"$ref": "http://127.0.0.1:9/schema.json"}, {}, 2)


def test_references_inside_the_schema_work():
    schema = {"$defs": {"n": {"type": "integer"}}, "items": {"$ref": "#/$defs/n"}}

    check_input(schema, [1, 2], 6)
    with pytest.raises(InvalidInput):
        check_input(schema, ["1"], 5)


def test_large_inputs_are_checked_without_holding_up_the_loop():
    items = [{"id": n, "name": "n"} for n in range(35_000)]
    unique = {"uniqueItems": True, "items": {"required": ["id"], "properties": {"id": {"type": "integer"}}}}
    wide = {"items": {"required": [f"k{n}" for n in range(1_000)]}}
    began = time.monotonic()

    check_input(unique, items, MAX_INPUT_BYTES)
    with pytest.raises(InvalidInput) as caught:
        check_input(wide, items, MAX_INPUT_BYTES)

    assert len(caught.value.diagnostics) == 1
    assert time.monotonic() - began < 2.0, "python's jsonschema needs minutes for this"


def test_a_hostile_string_does_not_explode_a_pattern():
    began = time.monotonic()

    with pytest.raises(InvalidInput):
        check_input({"pattern": "^(a+)+$"}, "a" * 100 + "!", 103)

    assert time.monotonic() - began < 2.0


def test_without_a_schema_anything_goes():
    check_input(None, object(), 0)

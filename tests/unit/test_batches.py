"""How long a message of SQS rests before it is tried again, and how long an outage may last before it is given up."""

from itertools import accumulate

import orjson
import pytest

from shared.adapters.aws import batches
from shared.errors import NotFound, StoreUnavailable

HOUR = 3_600
TRIES = 20
"""As infra/stacks/messaging.py has it, which tests/infra holds to this number."""


def record(message_id: str, tries: int = 1) -> dict:
    return {
        "messageId": message_id,
        "receiptHandle": f"receipt of {message_id}",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:starts",
        "attributes": {"ApproximateReceiveCount": str(tries)},
        "body": orjson.dumps({}).decode(),
    }


@pytest.fixture
def rests(monkeypatch):
    """Which message was made to rest for how long."""
    told = {}

    class Sqs:
        def get_queue_url(self, **given):
            return {"QueueUrl": f"https://queue/{given['QueueName']}"}

        def change_message_visibility(self, **given):
            told[given["QueueUrl"], given["ReceiptHandle"]] = given["VisibilityTimeout"]
            return {}

    monkeypatch.setattr(batches, "client", lambda service: Sqs())
    batches._url.cache_clear()
    yield told
    batches._url.cache_clear()


async def test_what_fails_comes_back_alone_and_rests_by_why_it_failed(rests):
    errors = {"a": None, "b": StoreUnavailable("away"), "c": NotFound("gone"), "d": RuntimeError("a bug")}

    async def work(each):
        if (error := errors[each["messageId"]]) is not None:
            raise error

    answer = await batches.settle([record(name, tries=3) for name in errors], work)

    assert answer == {"batchItemFailures": [{"itemIdentifier": name} for name in ("b", "c", "d")]}
    assert rests == {("https://queue/starts", f"receipt of {name}"): s for name, s in [("b", 20), ("c", 10), ("d", 20)]}


def test_an_outage_of_ten_minutes_or_of_three_hours_makes_no_dead_letter():
    rests = [batches.pause_seconds(tries, hopeless=False) for tries in range(1, TRIES)]
    tried_at = [0, *accumulate(rests)]

    assert len(tried_at) == TRIES
    assert tried_at[-1] >= 3 * HOUR
    assert max(rests) == 900
    assert next(at for at in tried_at if at >= 30) <= 75, "after an outage of 30 s it goes on soon"


def test_what_no_waiting_mends_is_a_dead_letter_soon():
    rests = [batches.pause_seconds(tries, hopeless=True) for tries in range(1, TRIES + 1)]

    assert sum(rests) <= 200

"""How long SQS holds a wake back, and what a message says."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from botocore.exceptions import ClientError

from shared.adapters.aws import wakes as module
from shared.adapters.aws.settings import AwsSettings
from shared.adapters.aws.wakes import SqsWakes, delay_seconds, look_at
from shared.clock import ManualClock
from shared.errors import StoreUnavailable

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
AT = NOW + timedelta(hours=1, microseconds=1)


@pytest.mark.parametrize(
    ("seconds", "held_back"), [(-5, 1), (0, 1), (0.2, 1), (1.000001, 2), (900, 900), (901, 900), (86_400, 900)]
)
def test_a_message_is_never_early_for_what_sqs_can_hold_back(seconds: float, held_back: int):
    assert delay_seconds(NOW + timedelta(seconds=seconds), NOW) == held_back


async def test_a_message_says_when_to_look_to_the_microsecond(monkeypatch: pytest.MonkeyPatch):
    sent = []

    class Sqs:
        def send_message(self, **given):
            sent.append((given["QueueUrl"], given["MessageBody"], given["DelaySeconds"]))
            return {}

    monkeypatch.setattr(module, "client", lambda service: Sqs())
    wakes = SqsWakes(AwsSettings(wakes_queue_url="wakes", fires_queue_url="fires"), ManualClock(NOW))

    await wakes.look()
    await wakes.look(AT)
    await wakes.look_at_schedule("p", "t", NOW, AT)

    assert [(url, seconds) for url, _, seconds in sent] == [("wakes", 0), ("wakes", 900), ("fires", 900)]
    assert [look_at(body) for _, body, _ in sent[:2]] == [(True, None), (True, AT)]
    told = orjson.loads(sent[2][1])
    assert (told["project_id"], told["trigger_id"]) == ("p", "t")
    assert [datetime.fromisoformat(told[name]) for name in ("fire_time", "look_at")] == [NOW, AT]


async def test_a_queue_that_takes_nothing_says_that_the_message_may_be_sent_again(monkeypatch: pytest.MonkeyPatch):
    class Sqs:
        def send_message(self, **given):
            raise ClientError({"Error": {"Code": "OverLimit"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "Send")

    monkeypatch.setattr(module, "client", lambda service: Sqs())

    with pytest.raises(StoreUnavailable, match="OverLimit"):
        await SqsWakes(AwsSettings(wakes_queue_url="wakes")).look()

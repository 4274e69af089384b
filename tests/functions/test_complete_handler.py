"""What the Lambda `complete` is given of express executions: pieces of their log, and watches."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import pytest

from functions.complete import handler as module
from shared.errors import StoreUnavailable
from shared.executions.records import Watch

SAMPLE = orjson.loads((Path(__file__).parents[2] / "events" / "express-log.json").read_bytes())


def test_the_handler_looks_at_what_a_message_names(monkeypatch):
    seen, watch = [], Watch("p", "w", "e")

    async def looked(watch: Watch, deps: object) -> None:
        seen.append(watch)

    monkeypatch.setattr("functions.complete.watched.look", looked)
    monkeypatch.setattr(module, "_deps", lambda: None)
    body = orjson.dumps({"watch": asdict(watch)}).decode()

    assert module.handler({"Records": [{"messageId": "m", "body": body}]}, object()) == {"batchItemFailures": []}
    assert seen == [watch]


@pytest.mark.parametrize("waited", [False, True])
def test_the_handler_takes_the_log_at_once_and_from_the_queue(monkeypatch, waited):
    seen = []

    async def done(data: str, deps: object) -> list[Any]:
        seen.append(data)
        return []

    monkeypatch.setattr("functions.complete.express.take", done)
    monkeypatch.setattr(module, "_deps", lambda: None)
    body = orjson.dumps({"version": "1.0", "requestContext": {}, "requestPayload": SAMPLE}).decode()
    event = {"Records": [{"messageId": "m", "body": body}]} if waited else SAMPLE

    answer = module.handler(event, object())

    assert answer == ({"batchItemFailures": []} if waited else {})
    assert seen == [SAMPLE["awslogs"]["data"]]


def test_a_piece_of_the_log_that_fails_at_once_is_lambdas_to_put_into_the_queue(monkeypatch):
    async def away(data: str, deps: object) -> list[Any]:
        raise StoreUnavailable("away")

    monkeypatch.setattr("functions.complete.express.take", away)
    monkeypatch.setattr(module, "_deps", lambda: None)

    with pytest.raises(StoreUnavailable):
        module.handler(SAMPLE, object())

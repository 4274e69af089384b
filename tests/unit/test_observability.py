"""Logs are JSON lines that carry the ids bound where they were written."""

import asyncio
import io
import logging
from collections.abc import Iterator

import orjson
import pytest

from shared.observability import bind, bound, configure


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the root logger writes for the length of a test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []  # configure() closes the handlers that it replaces; pytest's own must stay open
    stream = io.StringIO()
    configure("info", logging.StreamHandler(stream))
    yield stream
    root.handlers, root.level = handlers, level


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_json_line(stream: io.StringIO):
    logging.getLogger("millrace.test").info("started %s", "it", extra={"port": 8000})

    (line,) = lines(stream)
    assert line["level"] == "info"
    assert line["logger"] == "millrace.test"
    assert line["message"] == "started it"
    assert line["port"] == 8000
    assert str(line["timestamp"]).endswith("+00:00")


def test_bound_ids_are_in_every_record_inside(stream: io.StringIO):
    log = logging.getLogger("millrace.test")
    with bind(execution_id="e1", correlation_id="c1"):
        with bind(node_id="n1", workflow_id=None):
            log.info("inner")
        log.info("outer")
    log.info("outside")

    inner, outer, outside = lines(stream)
    assert (inner["execution_id"], inner["correlation_id"], inner["node_id"]) == ("e1", "c1", "n1")
    assert "workflow_id" not in inner
    assert "node_id" not in outer
    assert "execution_id" not in outside
    assert bound() == {}


async def test_concurrent_tasks_do_not_mix_ids(stream: io.StringIO):
    log = logging.getLogger("millrace.test")
    barrier = asyncio.Barrier(2)

    async def work(execution_id: str) -> None:
        with bind(execution_id=execution_id):
            await barrier.wait()
            log.info(execution_id)

    await asyncio.gather(work("e1"), work("e2"))

    assert all(line["execution_id"] == line["message"] for line in lines(stream))
    assert len(lines(stream)) == 2


def test_an_exception_stays_on_one_line(stream: io.StringIO):
    try:
        int("broken")
    except ValueError:
        logging.getLogger("millrace.test").exception("failed")

    (line,) = lines(stream)
    assert "ValueError: invalid literal" in str(line["exception"])


def test_values_that_json_does_not_know_are_written_as_text(stream: io.StringIO):
    logging.getLogger("millrace.test").info("odd", extra={"value": {1}})

    assert lines(stream)[0]["value"] == "{1}"


def test_the_level_holds_and_noisy_libraries_are_quiet(stream: io.StringIO):
    logging.getLogger("millrace.test").debug("no")
    logging.getLogger("httpx").info("no")
    logging.getLogger("httpx").warning("yes")

    assert [line["message"] for line in lines(stream)] == ["yes"]


@pytest.mark.parametrize(
    "credential",
    [
        "mr_abcdefghijkl_" + "A1-_" * 10 + "xyz",
        "mrr_" + "A1-_" * 10,
        "eyJhbGciOiJFZERTQSJ9eyJzdWIiOiJ4In0.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
    ],
)
def test_no_credential_of_ours_is_in_a_line(stream: io.StringIO, credential: str):
    log = logging.getLogger("millrace.test")

    log.info("sent Bearer %s", credential, extra={"key": f"<{credential}>"})
    log.info("a mr_prefix and an eyJ alone are words")

    first, second = lines(stream)
    assert credential[8:] not in stream.getvalue()
    assert (str(first["message"]).startswith("sent Bearer "), str(first["key"]).endswith("***>")) == (True, True)
    assert second["message"] == "a mr_prefix and an eyJ alone are words"

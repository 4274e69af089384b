"""Secrets are scrubbed in every form in which they travel, from values and from the log."""

import io
import json
import logging
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import observability
from shared.connections.redaction import REDACTED, Redactor, keep_secret, redacting

SECRET = 'p@ss "w/ord+é\\'


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        b64encode(SECRET.encode()).decode(),
        b64encode(SECRET.encode()).decode().rstrip("="),
        urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_every_form_is_scrubbed_wherever_it_stands(form):
    value = {"a": [f"x{form}y{form}", 1, None], form: {"b": form}}
    assert Redactor([SECRET]).scrub(value) == {
        "a": [f"x{REDACTED}y{REDACTED}", 1, None],
        REDACTED: {"b": REDACTED},
    }


def test_a_secret_that_holds_another_goes_as_a_whole():
    assert Redactor(["token-1", "token-1234"]).scrub("token-1234 token-1") == f"{REDACTED} {REDACTED}"


def test_what_is_too_short_to_be_told_from_text_stays():
    assert Redactor(["abc"]).scrub("abc") == "abc"


@given(st.text(min_size=4, max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_no_secret_survives(secret, before, after):
    redactor = Redactor([secret])
    text = redactor.scrub(before + secret + after)
    assert secret not in text.replace(REDACTED, "\n\0\n") or secret in REDACTED


@pytest.fixture
def log():
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    observability.configure("info", logging.StreamHandler(stream))
    yield stream
    root.handlers[:], root.level = before[0], before[1]


def test_the_log_is_scrubbed_while_a_call_is_at_work(log):
    logger = logging.getLogger("millrace.test")
    with redacting(Redactor([SECRET])):
        keep_secret("fetched-token")
        logger.info("with %s", SECRET, extra={"header": f"Bearer {SECRET}", "all": {"deep": [SECRET]}})
        try:
            {}["fetched-token"]
        except KeyError:
            logger.exception("failed")
    logger.info("after")
    text = log.getvalue()
    assert text.count(REDACTED) == 5  # two of them in the traceback
    assert SECRET not in text
    assert "fetched-token" not in text
    assert [json.loads(line)["message"] for line in text.splitlines()] == [f"with {REDACTED}", "failed", "after"]
    assert "KeyError" in json.loads(text.splitlines()[1])["exception"]

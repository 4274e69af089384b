"""Task tokens: the same for the same attempt, and made by nobody else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ConfigInvalid, TaskTokenInvalid
from shared.executions.task_tokens import TaskTokens

KEY = b"k" * 32
EXECUTION = "0198f0e0-0000-7000-8000-000000000001"
TOKENS = TaskTokens(KEY)


def test_a_token_names_its_execution():
    assert TOKENS.execution_of(TOKENS.mint(EXECUTION, 7, 0)) == EXECUTION


def test_the_same_attempt_has_the_same_token_and_another_one_another():
    tokens = {
        TOKENS.mint(EXECUTION, 7, 0),
        TOKENS.mint(EXECUTION, 7, 1),
        TOKENS.mint(EXECUTION, 8, 0),
        TOKENS.mint(EXECUTION, 7, 0, child="c"),
        TOKENS.mint("other", 7, 0),
        TaskTokens(b"l" * 32).mint(EXECUTION, 7, 0),
    }

    assert len(tokens) == 6
    assert TaskTokens(KEY).mint(EXECUTION, 7, 0) == TOKENS.mint(EXECUTION, 7, 0)


def test_parts_do_not_run_into_one_another():
    assert TOKENS.mint("e1", 11, 1) != TOKENS.mint("e", 111, 1)
    assert TOKENS.mint("e", 1, 11) != TOKENS.mint("e", 11, 1)


def test_a_token_is_safe_in_a_url():
    token = TOKENS.mint(EXECUTION, 25_000, 99, child=EXECUTION)

    assert token.replace("-", "").replace("_", "").isalnum()
    assert len(token) < 200


def test_another_key_refuses_it():
    with pytest.raises(TaskTokenInvalid):
        TaskTokens(b"other key, also thirty-two bytes").execution_of(TOKENS.mint(EXECUTION, 7, 0))


def test_a_token_that_was_cut_short():
    token = TOKENS.mint(EXECUTION, 7, 0)
    for length in range(len(token)):
        with pytest.raises(TaskTokenInvalid):
            TOKENS.execution_of(token[:length])


def test_every_changed_character_is_noticed():
    token = TOKENS.mint(EXECUTION, 7, 0)
    for place, character in enumerate(token):
        changed = token[:place] + ("A" if character != "A" else "B") + token[place + 1 :]
        with pytest.raises(TaskTokenInvalid):
            TOKENS.execution_of(changed)


@pytest.mark.parametrize("token", ["ü" * 90, "日本", "\ud800", "a b", "=", "a" * 1025, "\x00", "MTIz\n", "$(id)"])
def test_what_is_no_token_at_all(token: str):
    with pytest.raises(TaskTokenInvalid):
        TOKENS.execution_of(token)


@given(st.text(max_size=300))
def test_any_text_is_refused_without_repeating_it(text: str):
    with pytest.raises(TaskTokenInvalid) as caught:
        TOKENS.execution_of(text)
    with pytest.raises(TaskTokenInvalid) as other:
        TOKENS.execution_of("another text")
    assert str(caught.value) == str(other.value)


def test_a_message_without_a_signature():
    message = base64.urlsafe_b64encode(b"\x00" * 32 + EXECUTION.encode() + b"\x00\x007\x000").rstrip(b"=").decode()
    with pytest.raises(TaskTokenInvalid):
        TOKENS.execution_of(message)


def test_a_short_key_is_refused():
    with pytest.raises(ConfigInvalid, match="at least 32"):
        TaskTokens(b"short")


def test_the_error_has_its_code():
    assert TaskTokenInvalid.code == "task_token_invalid"

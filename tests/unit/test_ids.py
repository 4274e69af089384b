"""Ids sort by time and are safe to hand to a store; webhook paths cannot be guessed."""

import re
from itertools import pairwise
from uuid import UUID

import pytest

from shared.ids import is_id, new_id, new_webhook_path


def test_ids_are_uuid_version_7_of_rfc_9562():
    uuid = UUID(new_id())

    assert uuid.version == 7
    assert uuid.variant == "specified in RFC 4122"


def test_later_ids_compare_greater():
    ids = [new_id() for _ in range(5_000)]

    assert all(earlier < later for earlier, later in pairwise(ids))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "not-an-id",
        "'; drop table workflows; --",
        "019AB2C4-0000-7000-8000-000000000000",
        "{019ab2c4-0000-7000-8000-000000000000}",
        "019ab2c4000070008000000000000000",
        "019ab2c4-0000-7000-8000-000000000000\n",
        "019ab2c4-0000-7000-8000-00000000000g",
    ],
)
def test_what_is_not_a_canonical_uuid_is_no_id(text: str):
    assert not is_id(text)


def test_a_new_id_is_an_id():
    assert is_id(new_id())


def test_webhook_paths_are_url_safe_and_differ():
    paths = {new_webhook_path() for _ in range(1_000)}

    assert len(paths) == 1_000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", path) for path in paths)

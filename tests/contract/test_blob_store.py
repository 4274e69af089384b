"""BlobStore: one suite for every implementation."""

import hashlib
from pathlib import Path

import pytest

from shared.adapters.blobs import ObjectBlobs
from shared.errors import StoreUnavailable
from shared.ids import new_id
from shared.ports import BlobStore


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return ObjectBlobs((tmp_path / "not" / "yet there").as_uri())


@pytest.mark.parametrize("data", [b"", b"{}", b"\x00\xff" * 1_000_000])
async def test_what_is_put_is_got(blobs, data):
    key = f"{new_id()}/{new_id()}/{hashlib.sha256(data).hexdigest()}"
    await blobs.put(key, data)
    await blobs.put(key, data)
    assert await blobs.get(key) == data


async def test_what_is_not_there_is_none(blobs):
    assert await blobs.get(f"{new_id()}/x") is None


async def test_deleting_takes_everything_under_the_prefix_and_nothing_else(blobs):
    for key in ("project/one/a", "project/one/b", "project/two/a"):
        await blobs.put(key, b"1")
    await blobs.delete("project/one")
    await blobs.delete("project/none")
    await blobs.delete("project/tw")
    assert [await blobs.get(key) for key in ("project/one/a", "project/one/b", "project/two/a")] == [None, None, b"1"]


async def test_a_key_is_deleted_by_itself(blobs):
    for key in ("project/one/a", "project/one/ab", "project/one/b"):
        await blobs.put(key, b"1")
    await blobs.delete("project/one/a")
    assert [each.key for each in await blobs.list("project/one", 10)] == ["project/one/ab", "project/one/b"]


async def test_those_under_a_prefix_are_listed_by_key_up_to_a_limit(blobs):
    for key in ("project/one/b", "project/one/a/z", "project/oneself"):
        await blobs.put(key, b"12")
    assert [(each.key, each.bytes) for each in await blobs.list("project/one", 10)] == [
        ("project/one/a/z", 2),
        ("project/one/b", 2),
    ]
    assert [each.key for each in await blobs.list("project/one", 1)] == ["project/one/a/z"]
    assert await blobs.list("project/none", 10) == []


async def test_a_store_that_is_not_there_says_so(tmp_path):
    store = ObjectBlobs((tmp_path / "blobs").as_uri())
    (tmp_path / "blobs").rmdir()
    (tmp_path / "blobs").write_text("a file in its place")
    with pytest.raises(StoreUnavailable, match="blob store"):
        await store.put("a/b", b"1")

"""BlobStore on obstore, for the local stage: a folder, or a bucket. Functions on AWS have adapters/aws/blobs.py.

Source: https://developmentseed.org/obstore
"""

import os
from collections.abc import Sequence
from contextlib import suppress

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from shared.errors import StoreUnavailable
from shared.ports import BlobInfo, BlobStore


class ObjectBlobs(BlobStore):
    """Keeps blobs under the keys as they are."""

    def __init__(self, url: str) -> None:
        """`url`: `file:///folder`, which is made, or `s3://bucket/prefix`. Credentials come from the environment, and
        so does the endpoint of an emulator, which may be one without TLS."""
        if url.startswith("file:"):
            self._store = from_url(url, mkdir=True)
        else:
            plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http:")
            self._store = from_url(url, client_options={"allow_http": plain})

    async def put(self, key: str, data: bytes) -> None:
        """Durable once this returns. Raises StoreUnavailable."""
        try:
            await obstore.put_async(self._store, key, data)
        except (BaseError, OSError) as error:
            raise _unavailable(error) from None

    async def get(self, key: str) -> bytes | None:
        """None where there is nothing. Raises StoreUnavailable."""
        try:
            found = await obstore.get_async(self._store, key)
            return bytes(await found.bytes_async())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _unavailable(error) from None

    async def link(self, key: str) -> str | None:
        """None: the API gives blobs itself, however large."""
        del key
        return None

    async def list(self, prefix: str, limit: int) -> Sequence[BlobInfo]:
        """Those whose key begins with `prefix` (whole path segments), by key. Raises StoreUnavailable."""
        try:
            found = [each async for batch in obstore.list(self._store, prefix=prefix) for each in batch]
        except (BaseError, OSError) as error:
            raise _unavailable(error) from None
        named = sorted(found, key=lambda each: each["path"])[:limit]
        return [BlobInfo(each["path"], each["size"], each["last_modified"]) for each in named]

    async def delete(self, prefix: str) -> None:
        """Removes every key that begins with `prefix` (whole path segments). Raises StoreUnavailable."""
        try:
            with suppress(FileNotFoundError):  # a key begins with itself, but is not listed as such
                await obstore.head_async(self._store, prefix)
                await obstore.delete_async(self._store, prefix)
            async for batch in obstore.list(self._store, prefix=prefix):
                await obstore.delete_async(self._store, [each["path"] for each in batch])
        except (BaseError, OSError) as error:
            raise _unavailable(error) from None


def _unavailable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"The blob store does not answer ({type(error).__name__}); try again.")

"""BlobStore on S3, by boto3, which is in Lambda's own image; obstore would weigh 11 MiB in every bundle.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from shared.adapters.aws.client import call, client, code_of
from shared.errors import ConfigInvalid, StoreUnavailable
from shared.ports import BlobInfo, BlobStore

LINK_SECONDS = 300
MOST_AT_ONCE = 1000
"""Keys of one page of a list, and of one DeleteObjects."""


class S3Blobs(BlobStore):
    """Keeps blobs as objects under the keys as they are, behind the URL's prefix."""

    def __init__(self, url: str) -> None:
        """`url`: `s3://bucket` or `s3://bucket/prefix`. Nothing is connected. Raises ConfigInvalid."""
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc:
            raise ConfigInvalid(
                f"MILLRACE_BLOB_URL is '{url}'. On AWS it must be s3://bucket or s3://bucket/prefix; the CDK stack "
                "sets it."
            )
        self._bucket, folder = parts.netloc, parts.path.strip("/")
        self._folder = f"{folder}/" if folder else ""

    async def put(self, key: str, data: bytes) -> None:
        """Durable once this returns. Raises StoreUnavailable."""
        await self._call(client("s3").put_object, Key=self._folder + key, Body=data)

    async def get(self, key: str) -> bytes | None:
        """None where there is nothing. Raises StoreUnavailable."""
        answer = await self._call(_whole, Key=self._folder + key)
        return answer.get("Body")

    async def link(self, key: str) -> str | None:
        """A presigned URL, for LINK_SECONDS; it is made without asking S3."""
        given = {"Bucket": self._bucket, "Key": self._folder + key}
        sign = client("s3").generate_presigned_url
        return str(await asyncio.to_thread(sign, "get_object", Params=given, ExpiresIn=LINK_SECONDS))

    async def list(self, prefix: str, limit: int) -> Sequence[BlobInfo]:
        """Those whose key begins with `prefix` (whole path segments), by key. Raises StoreUnavailable."""
        found = await self._objects(prefix, limit)
        start = len(self._folder)
        return [BlobInfo(each["Key"][start:], each["Size"], each["LastModified"]) for each in found]

    async def delete(self, prefix: str) -> None:
        """Removes every key that begins with `prefix` (whole path segments). Raises StoreUnavailable."""
        keys = [self._folder + prefix.rstrip("/"), *(each["Key"] for each in await self._objects(prefix, None))]
        for first in range(0, len(keys), MOST_AT_ONCE):
            named = [{"Key": key} for key in keys[first : first + MOST_AT_ONCE]]
            answer = await self._call(client("s3").delete_objects, Delete={"Objects": named, "Quiet": True})
            for refused in answer.get("Errors", ()):
                raise _unavailable(refused["Code"])

    async def _objects(self, prefix: str, limit: int | None) -> Sequence[dict[str, Any]]:
        """By key, which is how S3 gives them. An empty prefix is that of all."""
        folder = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        pages = client("s3").get_paginator("list_objects_v2")
        asked = {"Prefix": self._folder + folder, "PaginationConfig": {"MaxItems": limit, "PageSize": MOST_AT_ONCE}}
        answer = await self._call(lambda **given: pages.paginate(**given).build_full_result(), **asked)
        found: Sequence[dict[str, Any]] = answer.get("Contents", ())
        return found

    async def _call(self, operation: Callable[..., Any], **parameters: Any) -> dict[str, Any]:
        try:
            return await call(operation, Bucket=self._bucket, **parameters)
        except ClientError as error:
            raise _unavailable(code_of(error)) from None


def _whole(**parameters: Any) -> dict[str, Any]:
    """An object, read to its end in the thread that asks for it; nothing where there is none."""
    try:
        return {"Body": client("s3").get_object(**parameters)["Body"].read()}
    except ClientError as error:
        if code_of(error) == "NoSuchKey":
            return {}
        raise


def _unavailable(code: str) -> StoreUnavailable:
    return StoreUnavailable(f"The blob store does not answer ({code}); try again.")

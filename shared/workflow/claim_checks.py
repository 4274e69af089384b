"""Claim checks: what is too large for a state machine's payload goes to the blob store, and a ticket takes its place.

Step Functions carries at most 256 KiB from state to state. A node whose output is larger hands on
`{"$blob": {"key", "bytes", "sha256"}}` in place of its largest members, so that the rest of it can still be read by
expressions: of an HTTP answer `status` and `headers` stay, `body` goes. A node that gets such a ticket in its config
gets the value itself.
Source: https://www.enterpriseintegrationpatterns.com/patterns/messaging/StoreInLibrary.html
"""

import hashlib
import re
from typing import Any

import orjson

from shared.errors import NodeConfigInvalid, NodeStoreUnavailable, OutputTooLarge, StoreUnavailable
from shared.ports import BlobStore

TICKET = "$blob"

MAX_INLINE_BYTES = 200_000
"""A node's output as JSON; the rest of 256 KiB is for what stands around it."""

MAX_BLOB_BYTES = 25_000_000
"""Of one value, and of all that one call gets back: what a small Lambda can hold."""

_MAX_TICKETS = 16
_KEY = re.compile(r"(?P<project>[0-9a-f-]{36})/[0-9a-f-]{36}/[0-9a-f]{64}")


async def check_in(output: Any, blobs: BlobStore | None, prefix: str) -> Any:
    """The output with tickets for its largest members, at most MAX_INLINE_BYTES as JSON; small ones stay as they are.

    Keys are `<prefix>/<SHA-256 of the value>`, so that a retry keeps the same value under the same key.

    Raises:
        OutputTooLarge: more than MAX_BLOB_BYTES, or there is no blob store.
        NodeStoreUnavailable: the blob store does not answer.
    """
    size = len(orjson.dumps(output))
    if size <= MAX_INLINE_BYTES:
        return output
    if blobs is None or size > MAX_BLOB_BYTES:
        allowed = MAX_INLINE_BYTES if blobs is None else MAX_BLOB_BYTES
        raise OutputTooLarge(
            f"The output has {size} bytes as JSON; allowed are {allowed}. Ask for less: a page, fewer fields.",
            bytes=size,
            allowed=allowed,
        )
    if isinstance(output, dict):
        lighter = await _lighter(output, blobs, prefix)
        if lighter is not None:
            return lighter
    return await _ticket(output, blobs, prefix)


async def check_out(value: Any, blobs: BlobStore | None, project_id: str) -> Any:
    """The value with what its tickets stand for.

    A ticket may come from outside, in a delivery that somebody made up: only blobs of this project are given, and only
    those whose digest is right.

    Raises:
        NodeConfigInvalid: a ticket of another project, or one whose blob is gone; or they hold too much.
        NodeStoreUnavailable: the blob store does not answer.
    """
    return await _Desk(blobs, project_id).redeem(value)


async def _lighter(output: dict[str, Any], blobs: BlobStore, prefix: str) -> dict[str, Any] | None:
    """None where the members are too many and too small for tickets."""
    sizes = {name: len(orjson.dumps(member)) for name, member in output.items()}
    left, chosen = sum(sizes.values()), []
    for name in sorted(sizes, key=lambda each: -sizes[each])[:_MAX_TICKETS]:
        if left <= MAX_INLINE_BYTES // 2:
            break
        chosen.append(name)
        left -= sizes[name]
    if left > MAX_INLINE_BYTES // 2:
        return None
    return output | {name: await _ticket(output[name], blobs, prefix) for name in chosen}


async def _ticket(value: Any, blobs: BlobStore, prefix: str) -> dict[str, Any]:
    data = orjson.dumps(value)
    digest = hashlib.sha256(data).hexdigest()
    key = f"{prefix}/{digest}"
    try:
        await blobs.put(key, data)
    except StoreUnavailable as error:
        raise NodeStoreUnavailable(f"The output could not be kept: {error.message}") from None
    return {TICKET: {"key": key, "bytes": len(data), "sha256": digest}}


class _Desk:
    def __init__(self, blobs: BlobStore | None, project_id: str) -> None:
        self.blobs = blobs
        self.project_id = project_id
        self.given = 0

    async def redeem(self, value: Any) -> Any:
        if isinstance(value, list):
            return [await self.redeem(item) for item in value]
        if not isinstance(value, dict):
            return value
        ticket = value.get(TICKET)
        if len(value) == 1 and isinstance(ticket, dict):
            return await self.fetch(ticket)
        return {name: await self.redeem(item) for name, item in value.items()}

    async def fetch(self, ticket: dict[str, Any]) -> Any:
        key, size, digest = str(ticket.get("key")), ticket.get("bytes"), ticket.get("sha256")
        parts = _KEY.fullmatch(key)
        if self.blobs is None or not parts or parts["project"] != self.project_id or not isinstance(size, int):
            raise NodeConfigInvalid(f"The claim check '{key[:200]}' is not one of this project.")
        self.given += size
        if self.given > MAX_BLOB_BYTES:
            raise NodeConfigInvalid(f"The claim checks of this call hold more than {MAX_BLOB_BYTES} bytes.")
        try:
            data = await self.blobs.get(key)
        except StoreUnavailable as error:
            raise NodeStoreUnavailable(f"A claim check could not be redeemed: {error.message}") from None
        if data is None or len(data) != size or hashlib.sha256(data).hexdigest() != digest:
            raise NodeConfigInvalid(f"What the claim check '{key[:200]}' stands for is gone.")
        return orjson.loads(data)

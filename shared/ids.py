"""Identifiers: UUIDv7 (RFC 9562), so that ids sort by the time they were made."""

import hashlib
import secrets
import uuid
from datetime import datetime

import uuid_utils


def new_id() -> str:
    """A fresh UUIDv7 in canonical text form; later ids of one process compare greater."""
    return str(uuid_utils.uuid7())


def is_id(text: str) -> bool:
    """Whether `text` is a UUID in canonical form, and so safe to hand to a store."""
    try:
        return str(uuid_utils.UUID(text)) == text
    except ValueError:
        return False


def new_webhook_path() -> str:
    """An unguessable URL path for a webhook: 192 random bits, URL-safe."""
    return secrets.token_urlsafe(24)


def lowest_id(at: datetime) -> str:
    """What is not above any UUIDv7 that is made at `at` or later."""
    milliseconds = int(at.timestamp() * 1000)
    return str(uuid.UUID(int=milliseconds << 80))


def derived_id(parent: str, name: str) -> str:
    """The id of what `parent` has under `name`: a UUID, the same every time, that sorts beside its parent.

    It has the time of its parent, so it is of the same version, and a digest in place of the random bits. Of a parent
    that is no UUID it is a name-based one.
    """
    if not is_id(parent):
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{parent}/{name}"))
    digest = hashlib.sha256(f"{parent}/{name}".encode()).hexdigest()
    return f"{parent[:15]}{digest[:3]}-8{digest[3:6]}-{digest[6:18]}"

"""Identifiers: UUIDv7 (RFC 9562), so that ids sort by the time they were made."""

import secrets

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

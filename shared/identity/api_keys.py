"""API keys: `mr_<prefix>_<secret>`.

The secret has 256 random bits, so that plain SHA-256 is enough to store it: there is nothing to guess that a slow hash
would slow down. The prefix finds the row and may be shown.
"""

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

from shared.identity.records import ApiKey

USE_WRITTEN_EVERY = timedelta(minutes=1)
_KEY = re.compile(r"mr_([a-z2-7]{12})_([A-Za-z0-9_-]{43})")
_PREFIX_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


def new_key() -> tuple[str, str]:
    """A fresh key, and its prefix."""
    prefix = "".join(secrets.choice(_PREFIX_LETTERS) for _ in range(12))
    return f"mr_{prefix}_{secrets.token_urlsafe(32)}", prefix


def prefix_of(text: str) -> str | None:
    """The prefix of what has the form of a key, else None."""
    match = _KEY.fullmatch(text)
    return match[1] if match else None


def digest_of(text: str) -> str:
    """SHA-256 in hexadecimal: what is stored of a key or of a refresh token."""
    return hashlib.sha256(text.encode()).hexdigest()


def fits(key: ApiKey, text: str, now: datetime) -> bool:
    """Whether `text` is this key, and it is neither revoked nor expired."""
    same = hmac.compare_digest(key.digest, digest_of(text))
    return same and key.revoked_at is None and (key.expires_at is None or now < key.expires_at)


def use_is_news(key: ApiKey, now: datetime) -> bool:
    """Whether this use is to be written down: one write a minute is enough to see which keys nobody uses."""
    return key.last_used_at is None or now - key.last_used_at >= USE_WRITTEN_EVERY

"""Task tokens: the name by which somebody outside completes a task that waits for it.

A token says which attempt at which state of which execution it is for, and is signed (HMAC-SHA256), so nobody can make
one who was not given it. The same attempt always has the same token: an execution that is taken up again after a crash
waits for the token that it gave away before.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token
"""

import base64
import binascii
import hashlib
import hmac

from shared.errors import ConfigInvalid, TaskTokenInvalid

MIN_KEY_BYTES = 32
MAX_CHARACTERS = 1024
"""What Step Functions allows a token; ours are about 150."""

_DIGEST_BYTES = 32
_SEPARATOR = b"\x00"
_PURPOSE = b"millrace task token 1"


class TaskTokens:
    """Makes and reads tokens with one secret key."""

    def __init__(self, key: bytes) -> None:
        """Raises ConfigInvalid where the key is shorter than MIN_KEY_BYTES."""
        if len(key) < MIN_KEY_BYTES:
            raise ConfigInvalid(
                f"The key of task tokens has {len(key)} bytes; it needs at least {MIN_KEY_BYTES}. "
                "Take them from a secure random source."
            )
        self._key = hmac.digest(key, _PURPOSE, hashlib.sha256)

    def mint(self, execution_id: str, event_id: int, attempt: int, *, child: str = "") -> str:
        """The token of one attempt at a task, URL-safe.

        `event_id` is that of the TaskStateEntered event, in the history of the execution or of its `child` in a
        distributed Map; `attempt` counts from 0.
        """
        parts = (execution_id, child, str(event_id), str(attempt))
        message = _SEPARATOR.join(part.encode() for part in parts)
        return base64.urlsafe_b64encode(self._signature(message) + message).rstrip(b"=").decode()

    def execution_of(self, token: str) -> str:
        """The execution whose task the token completes.

        Raises:
            TaskTokenInvalid: it is not a token that was made with this key.
        """
        signed = _decoded(token)
        signature, message = signed[:_DIGEST_BYTES], signed[_DIGEST_BYTES:]
        if not hmac.compare_digest(signature, self._signature(message)):
            raise _invalid()
        return message.split(_SEPARATOR)[0].decode()

    def _signature(self, message: bytes) -> bytes:
        return hmac.digest(self._key, message, hashlib.sha256)


def _decoded(token: str) -> bytes:
    if not token or len(token) > MAX_CHARACTERS or not token.isascii():
        raise _invalid()
    padded = token + "=" * (-len(token) % 4)
    try:
        signed = base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _invalid() from None
    # More than one text decodes to the same bytes; only the one that was given away is the token.
    if base64.urlsafe_b64encode(signed).rstrip(b"=").decode() != token:
        raise _invalid()
    return signed


def _invalid() -> TaskTokenInvalid:
    """Says nothing of the token, which is a secret."""
    return TaskTokenInvalid(
        "This is no task token of this installation: it is cut short, changed, or was made with another key. "
        "Send the token exactly as the task was given it."
    )

"""The active secrets of a webhook as one ciphertext: the newest first, the others while a sender is moved to it."""

from collections.abc import Sequence

from shared.ports import SecretBox

MAX_SECRETS = 4

_SEPARATOR = "\0"
"""No header and no form field can hold it, so no sender has it in a secret."""


def opened(box: SecretBox, ciphertext: bytes | None) -> list[str]:
    """The secrets, newest first; none where nothing was sealed."""
    return [] if ciphertext is None else box.decrypt(ciphertext).split(_SEPARATOR)


def sealed(box: SecretBox, secrets: Sequence[str]) -> bytes:
    """The ciphertext of at least one secret, none of which holds a NUL (see check_secret)."""
    return box.encrypt(_SEPARATOR.join(secrets))


def with_new(secrets: Sequence[str], new: str) -> list[str]:
    """`new` before the others, of which the oldest go where there are more than MAX_SECRETS."""
    return [new, *(each for each in secrets if each != new)][:MAX_SECRETS]

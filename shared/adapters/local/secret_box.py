"""Encryption of secrets at rest: Fernet (AES-128-CBC and HMAC-SHA256), several keys for rotation.

Source: https://cryptography.io/en/latest/fernet/#cryptography.fernet.MultiFernet
"""

import contextlib
import hashlib
import hmac
import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from shared.errors import ConfigInvalid
from shared.ports import SecretBox

KEY_FILE = "secret.key"


class FernetBox(SecretBox):
    """Seals with the first key and opens with any: put a new key in front, and keep the old ones for a while."""

    def __init__(self, keys: str) -> None:
        """`keys`: Fernet keys, newest first, separated by commas. Raises ConfigInvalid where one is no key."""
        try:
            fernets = [Fernet(key) for key in filter(None, (part.strip() for part in keys.split(",")))]
        except ValueError:
            fernets = []
        if not fernets:
            raise ConfigInvalid(
                "MILLRACE_ENCRYPTION_KEYS must be Fernet keys (32 bytes in URL-safe base64), newest first, separated "
                "by commas. Make one with: python -c 'from cryptography.fernet import Fernet; "
                "print(Fernet.generate_key().decode())'"
            )
        self._fernet = MultiFernet(fernets)
        self._oldest = [part.strip() for part in keys.split(",") if part.strip()][-1]

    @classmethod
    def of_folder(cls, folder: Path) -> "FernetBox":
        """With the keys in `folder/secret.key`, one a line, newest first; the file is made where there is none."""
        path = folder / KEY_FILE
        if not path.exists():
            _create(path)
        return cls(",".join(path.read_text(encoding="ascii").split()))

    def derive(self, purpose: str) -> bytes:
        """32 bytes for another purpose than sealing, from the oldest key: a new key in front does not change them.

        Source: https://www.rfc-editor.org/rfc/rfc5869 (HKDF; one block, the key is uniform already)
        """
        return hmac.digest(self._oldest.encode(), f"millrace {purpose}".encode() + b"\x01", hashlib.sha256)

    def encrypt(self, plain: str) -> bytes:
        return self._fernet.encrypt(plain.encode())

    def decrypt(self, sealed: bytes) -> str:
        """Raises ConfigInvalid where no key fits."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise ConfigInvalid(
                "A stored secret cannot be opened with any of the encryption keys. Put the key that sealed it back "
                f"into MILLRACE_ENCRYPTION_KEYS or {KEY_FILE} in the data folder, after the newer ones."
            ) from None


def add_key(folder: Path) -> None:
    """Puts a new key in front of those in `folder/secret.key`, at once or not at all."""
    path = folder / KEY_FILE
    kept = path.read_bytes() if path.exists() else b""
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=KEY_FILE)  # mkstemp makes it 0600
    with os.fdopen(descriptor, "wb") as file:
        file.write(Fernet.generate_key() + b"\n" + kept)
        file.flush()
        os.fsync(file.fileno())
    Path(temporary).replace(path)


def _create(path: Path) -> None:
    """Complete and readable by us only from its first moment; of two processes at once, the first one's key stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        Path(temporary).unlink()

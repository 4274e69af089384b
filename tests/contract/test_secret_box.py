"""SecretBox: one suite for every place that its keys come from."""

from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet

from shared.adapters.local.secret_box import FernetBox
from shared.errors import ConfigInvalid
from shared.ports import SecretBox

Opened = Callable[..., SecretBox]
"""The box whose keys have these names, the newest first; the same name is the same key."""


def key() -> str:
    return Fernet.generate_key().decode()


@pytest.fixture
def opened() -> Opened:
    made: dict[str, str] = {}
    return lambda *names: FernetBox(",".join(made.setdefault(each, key()) for each in names))


@pytest.mark.parametrize("secret", ["", "whsec_1", "naïve 🙂 \0", "x" * 100_000])
def test_what_was_sealed_opens(opened: Opened, secret: str):
    box = opened("one")

    sealed = box.encrypt(secret)

    assert box.decrypt(sealed) == opened("one").decrypt(sealed) == secret
    assert sealed != box.encrypt(secret)
    assert not secret or secret.encode() not in sealed


def test_after_a_rotation_old_secrets_open_and_new_ones_use_the_new_key(opened: Opened):
    sealed = opened("old").encrypt("old")
    rotated = opened("new", "old")

    assert rotated.decrypt(sealed) == "old"
    assert opened("new").decrypt(rotated.encrypt("new")) == "new"


@pytest.mark.parametrize("sealed", [b"", b"nonsense", FernetBox(key()).encrypt("another's")], ids=["", "no", "other"])
def test_what_no_key_fits_does_not_open(opened: Opened, sealed: bytes):
    with pytest.raises(ConfigInvalid, match="cannot be opened"):
        opened("one").decrypt(sealed)


def test_a_changed_secret_does_not_open(opened: Opened):
    box = opened("one")
    sealed = bytearray(box.encrypt("secret"))
    sealed[-5] ^= 1

    with pytest.raises(ConfigInvalid):
        box.decrypt(bytes(sealed))

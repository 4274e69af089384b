"""Passwords by Argon2id (RFC 9106), in PHC string format, so that a later release may ask for more work."""

import asyncio
from functools import cache

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from shared.ports.identity import Passwords

MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1
"""OWASP's minimum: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id"""
AT_ONCE = 4
"""Hashes computed at once, so that a flood of logins takes neither all memory nor all threads."""


class Argon2Passwords(Passwords):
    """Hashes in threads: Argon2 leaves the interpreter's lock free."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str) -> str:
        async with self._slots:
            return await asyncio.to_thread(_hasher().hash, password)

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Takes as long without a hash as with one: an address without an account is not told apart by time."""
        async with self._slots:
            same = await asyncio.to_thread(_verify, password, password_hash or _nobodys())
        return same and password_hash is not None


def _verify(password: str, password_hash: str) -> bool:
    try:
        return _hasher().verify(password, password_hash)
    except UnknownHashError:
        return False


@cache
def _hasher() -> PasswordHash:
    return PasswordHash((Argon2Hasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES),))


@cache
def _nobodys() -> str:
    return _hasher().hash("the password of nobody")

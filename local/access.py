"""Signing in, in the local stage: its stores, and the key that its data folder holds."""

import contextlib
import os
from contextlib import AsyncExitStack
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from local.cli.credentials import key_of
from shared.adapters.http.client import GuardedClient
from shared.adapters.http.oidc import HttpOidcProviders
from shared.adapters.passwords import Argon2Passwords
from shared.adapters.postgres.identity import PostgresKeys, PostgresMembers, PostgresSessions
from shared.adapters.tokens import JwtTokens
from shared.clock import SystemClock
from shared.egress import EgressPolicy
from shared.errors import Unauthenticated
from shared.identity.oidc import providers
from shared.identity.owner import new_owner_key
from shared.identity.signing_in import Access
from shared.ports import SecretBox
from shared.settings import Settings


def access_of(engine: AsyncEngine, secrets: SecretBox) -> Access:
    """Signing in on PostgreSQL."""
    sessions, clock = PostgresSessions(engine), SystemClock()
    return Access(
        keys=PostgresKeys(engine),
        members=PostgresMembers(engine),
        sessions=sessions,
        tokens=JwtTokens(sessions, secrets, clock),
        passwords=Argon2Passwords(),
        clock=clock,
    )


def sign_in_providers(stack: AsyncExitStack, settings: Settings) -> HttpOidcProviders:
    """The providers of MILLRACE_OIDC; their client is closed with `stack`. Raises ConfigInvalid."""
    client = GuardedClient(EgressPolicy.parse(settings.allowed_hosts))
    stack.push_async_callback(client.aclose)
    return HttpOidcProviders(client, providers(settings.oidc))


async def owner_key(access: Access, path: Path) -> str:
    """The key in `path`, with which the command line and the demo sign in by themselves.

    Where there is none, or it is not valid in this database, a new one of the project's owner is made and written:
    whoever starts a stage on a database can read and write all of it anyway.
    """
    kept = key_of(path.parent)
    if kept is not None:
        with contextlib.suppress(Unauthenticated):
            await access.valid_key(kept)
            return kept
    text = await new_owner_key(access.keys, access.members, access.clock, "local stage")
    _write(path, text)
    return text


def _write(path: Path, text: str) -> None:
    """Readable by this user only from its first moment."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{text}\n")

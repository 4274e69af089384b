"""`millrace login`: proves to a server who one is, and keeps what proves it."""

import getpass
import sys

from local.cli import credentials
from local.cli.client import MillraceClient
from local.cli.failures import ExitCode, Failed
from local.cli.session import Session

KEY_NAME = "millrace login"


def read_secret(what: str) -> str:
    """A secret without echo from the terminal, or a line of standard input. Raises Failed where there is none."""
    text = getpass.getpass(f"{what}: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not text.strip():
        raise Failed(f"No {what} was given.", ExitCode.INVALID, hint="Type it, or send it on standard input.")
    return text.strip()


async def login(session: Session, email: str | None, secret: str) -> ExitCode:
    """Keeps an API key for the server; with `email`, one that the server makes after the password was right."""
    url = session.url.rstrip("/")
    key = secret if email is None else await _key_for(url, email, secret)
    async with MillraceClient(url, key=key) as client:
        me = await client.me()
    path = credentials.store(url, key)
    session.note(f"Signed in at {url} ({me['kind']} {me['id']}). Kept in {path}.")
    return ExitCode.OK


async def _key_for(url: str, email: str, password: str) -> str:
    """Access tokens end after minutes, so that the command line keeps a key of its own, with its user's permissions."""
    async with MillraceClient(url, key="-") as client:
        token = await client.sign_in(email, password)
    async with MillraceClient(url, key=token) as client:
        return await client.create_key(KEY_NAME)

"""PostgreSQL by its driver alone, psycopg: URLs, and what goes wrong in Millrace's own errors.

SQLAlchemy (engine.py) stands on it. What a small Lambda needs goes without SQLAlchemy, which weighs 9 MiB.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from shared.errors import ConfigInvalid, MalformedRequest, StoreUnavailable

CONNECT_SECONDS = 5

_SCHEMES = frozenset({"postgresql", "postgres", "postgresql+psycopg"})


def conninfo(url: str) -> str:
    """The URL as psycopg takes it: `postgresql://…`, also of `postgres://…`. Nothing is connected.

    Raises:
        ConfigInvalid: the URL is not one of PostgreSQL.
    """
    try:
        scheme = urlsplit(url).scheme
        normal = url.replace(f"{scheme}://", "postgresql://", 1)
        conninfo_to_dict(normal)
    except (ValueError, psycopg.ProgrammingError):
        scheme = ""
    if scheme not in _SCHEMES:
        raise ConfigInvalid(
            "DATABASE_URL is not a PostgreSQL URL. Write it as postgresql://user:password@host:5432/database."
        )
    return normal


@contextmanager
def driver_errors() -> Iterator[None]:
    """Turns errors of the driver that are not bugs of ours into Millrace's own; the rest passes.

    Raises:
        StoreUnavailable: the database cannot be reached, or was lost on the way.
        MalformedRequest: a text holds the character U+0000, which PostgreSQL cannot keep in a column of text.
    """
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise unavailable(error) from error
    except psycopg.DataError as error:
        if "NUL" in str(error) or "0x00" in str(error):
            raise MalformedRequest(
                "A text holds the character U+0000, which cannot be stored there. Remove it from names, "
                "descriptions, paths and keys; inside documents it is allowed."
            ) from None
        raise


def unavailable(error: Exception) -> StoreUnavailable:
    """Says why in the first line of the driver's words; the rest may hold more than is good for a message."""
    lines = str(error).splitlines()
    return StoreUnavailable(
        f"The database cannot be reached ({type(error).__name__}: {lines[0] if lines else 'no details'}). Try again."
    )

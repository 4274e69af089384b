"""Runs the migrations in this process. Alembic is loaded only where there is something to do."""

import logging
from pathlib import Path

import psycopg

from shared.adapters.postgres.driver import conninfo
from shared.adapters.postgres.engine import create_sync_engine, store_errors

HEAD = "0022"
"""The newest revision in versions/, which count up; a test holds it there."""

log = logging.getLogger(__name__)


def run(url: str) -> None:
    """Brings the database behind `url` to HEAD; at HEAD already it costs one query. Safe to run from several processes.
    A database that a newer release has migrated stays as it is: migrations only add, so that this one can work with it.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    with store_errors():
        had = revision(url)
        if had is None or had < HEAD:
            _upgrade(url)
        elif had > HEAD:
            log.warning("the schema is that of a newer release", extra={"revision": had, "known": HEAD})


def revision(url: str) -> str | None:
    """The revision that the database is at; None where it is empty."""
    with psycopg.connect(conninfo(url)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except psycopg.errors.UndefinedTable:
            return None
    return row[0] if row else None


def _upgrade(url: str) -> None:
    from alembic import command  # noqa: PLC0415 - half a second that a restart need not pay
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    engine = create_sync_engine(url)
    try:
        config.attributes["engine"] = engine
        command.upgrade(config, "head")
    finally:
        engine.dispose()

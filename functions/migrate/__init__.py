"""Schema migrations: brings a database to the schema that this release needs."""

from functions.migrate.core import HEAD, revision, run

__all__ = ["HEAD", "revision", "run"]

"""The schema that migrations make is the one that the code is written for."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql

from functions import migrate
from shared.adapters.local.embedded_postgres import DATABASE
from shared.adapters.postgres.engine import create_sync_engine
from shared.adapters.postgres.tables import metadata
from shared.errors import ConfigInvalid, StoreUnavailable
from shared.settings import DEFAULT_PROJECT_ID

ROOT = Path(__file__).parents[2]
ABOVE_PROJECTS = {
    "projects",
    "organisations",
    "users",
    "refresh_tokens",
    "signing_keys",
    "user_identities",
    "login_attempts",
}
"""What signing in needs before a project is known."""


@pytest.fixture
def empty_url(_postgres_server: str, request: pytest.FixtureRequest) -> str:
    """The URL of a database with nothing in it."""
    name = f"empty_{abs(hash(request.node.name))}"
    with psycopg.connect(_postgres_server.replace(f"/{DATABASE}?", "/postgres?"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return _postgres_server.replace(f"/{DATABASE}?", f"/{name}?")


def python(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def structure(url: str) -> list[tuple]:
    """Everything that DDL made: columns, constraints, indexes and comments, by name."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            """
            SELECT 'column', table_name, column_name,
                   concat(data_type, ' ', is_nullable, ' ', column_default,
                          ' ', col_description(format('%I', table_name)::regclass, ordinal_position))
            FROM information_schema.columns WHERE table_schema = 'public'
            UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 't'  -- no triggers
            UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
            UNION ALL SELECT 'table', relname, '', obj_description(oid) FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
            ORDER BY 1, 2, 3
            """
        ).fetchall()


def test_migrations_and_metadata_agree(postgres_url: str):
    engine = create_sync_engine(postgres_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()

    assert differences == []


def test_they_agree_to_the_letter(postgres_url: str, empty_url: str):
    """Alembic's comparison does not see check constraints and the conditions of partial indexes."""
    engine = create_sync_engine(empty_url)
    metadata.create_all(engine)
    engine.dispose()

    migrated = [row for row in structure(postgres_url) if row[1] != "alembic_version"]

    assert migrated == structure(empty_url)


def test_every_table_has_a_comment_and_a_project(postgres_url: str):
    tables = [table for table in metadata.tables.values() if table.name not in ABOVE_PROJECTS]

    assert all("project_id" in table.columns for table in tables)
    assert all(row[3] for row in structure(postgres_url) if row[0] == "table" and row[1] != "alembic_version")


def test_head_is_the_newest_revision(postgres_url: str):
    config = Config()
    config.set_main_option("script_location", str(ROOT / "functions" / "migrate"))

    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [migrate.HEAD]
    known = [each.revision for each in scripts.walk_revisions()]
    assert known == sorted(known, reverse=True), "a newer one is told by its number"
    assert migrate.revision(postgres_url) == migrate.HEAD


def test_an_older_release_works_with_the_schema_of_a_newer_one(empty_url: str):
    """As after a rollback."""
    migrate.run(empty_url)
    with psycopg.connect(empty_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    migrate.run(empty_url)

    assert migrate.revision(empty_url) == "9999"


def test_the_default_project_is_there(postgres_url: str):
    with psycopg.connect(postgres_url) as connection:
        rows = connection.execute("SELECT id::text, name FROM projects").fetchall()

    assert rows == [(DEFAULT_PROJECT_ID, "default")]


def test_several_processes_may_migrate_at_once(empty_url: str):
    """Alembic keeps state in module globals, so each of these is a process of its own, as in life."""
    command = ["-c", "import sys; from functions.migrate import run; run(sys.argv[1])", empty_url]
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: python(command), range(3)))

    assert [(result.returncode, result.stderr) for result in results] == [(0, "")] * 3
    assert migrate.revision(empty_url) == migrate.HEAD


def test_at_head_alembic_is_not_even_loaded(postgres_url: str):
    code = "import sys; from functions.migrate import run; run(sys.argv[1]); print('alembic' in sys.modules)"

    result = python(["-c", code, postgres_url])

    assert (result.stdout.strip(), result.stderr) == ("False", "")


def test_a_database_out_of_reach_is_said_so():
    with pytest.raises(StoreUnavailable):
        migrate.run("postgresql://nobody@/none?host=/nonexistent")


@pytest.mark.parametrize("url", ["", "mysql://u@h/d", "not a url", "sqlite:///x"])
def test_a_url_of_something_else_is_refused(url: str):
    with pytest.raises(ConfigInvalid, match="postgresql://"):
        migrate.run(url)

"""Sealing stored secrets anew: all of them, with the newest key, while others work."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import insert, text

from shared.adapters.local.secret_box import FernetBox, add_key
from shared.adapters.postgres.driver import conninfo
from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.resealing import reseal, sealed_columns
from shared.adapters.postgres.tables import connections, signing_keys
from shared.errors import ConfigInvalid
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID
from tests.support.stage import environment
from tests.support.stores import Stores, now

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
async def kept(stores: Stores) -> str:
    """A connection and a signing key that the old key sealed; the connection's id."""
    box, connection_id = FernetBox(OLD), new_id()
    async with transaction(stores.engine) as connection:
        await connection.execute(text("DELETE FROM connections"))
        await connection.execute(text("DELETE FROM signing_keys"))
        row = {"id": connection_id, "project_id": DEFAULT_PROJECT_ID, "name": "c", "kind": "bearer", "public": {}}
        times = {"created_at": now(), "updated_at": now()}
        await connection.execute(insert(connections).values(**row, **times, sealed=box.encrypt("hunter2")))
        key = {"kid": new_id(), "sealed": box.encrypt("00"), "created_at": now()}
        await connection.execute(insert(signing_keys).values(key))
    return connection_id


async def sealed(stores: Stores) -> bytes:
    async with transaction(stores.engine) as connection:
        return bytes((await connection.execute(text("SELECT sealed FROM connections"))).scalar_one())


def test_these_columns_are_sealed():
    assert {f"{each.table.name}.{each.name}" for each in sealed_columns()} == {
        "approvals.sealed_token",
        "connections.grant",
        "connections.sealed",
        "signing_keys.sealed",
        "webhook_registrations.secret",
    }, "reseal() takes every column of bytes for ciphertext: keep other bytes elsewhere"


async def test_after_it_the_new_key_alone_opens_everything(stores: Stores, kept: str):
    both, new = FernetBox(f"{NEW},{OLD}"), FernetBox(NEW)
    with pytest.raises(ConfigInvalid):
        new.decrypt(await sealed(stores))

    counts = await reseal(stores.engine, lambda value: both.encrypt(both.decrypt(value)))

    assert (counts["connections.sealed"], counts["signing_keys.sealed"], counts["connections.grant"]) == (1, 1, 0)
    assert new.decrypt(await sealed(stores)) == "hunter2"


async def test_a_value_that_no_key_opens_stops_it_and_nothing_is_lost(stores: Stores, kept: str):
    had, other = await sealed(stores), FernetBox(NEW)

    with pytest.raises(ConfigInvalid, match="cannot be opened"):
        await reseal(stores.engine, lambda value: other.encrypt(other.decrypt(value)))

    assert await sealed(stores) == had


async def test_the_command(stores: Stores, kept: str, postgres_url: str, redis_url: str, tmp_path: Path):
    command = [sys.executable, "-m", "local.cli", "secrets", "rotate", "--data", str(tmp_path)]
    urls = {"DATABASE_URL": postgres_url, "REDIS_URL": redis_url}

    result = subprocess.run(
        command,
        env=environment(**urls, MILLRACE_ENCRYPTION_KEYS=f"{NEW},{OLD}"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (result.returncode, "connections.sealed\t1" in result.stdout) == (0, True), result.stderr
    assert "hunter2" not in result.stdout + result.stderr
    assert FernetBox(NEW).decrypt(await sealed(stores)) == "hunter2"
    with psycopg.connect(conninfo(postgres_url)) as connection:
        entry = connection.execute("SELECT action, actor_kind FROM audit_log ORDER BY seq DESC LIMIT 1").fetchone()
    assert entry == ("connection.updated", "system")


def test_a_folder_s_new_key_comes_first_and_the_old_one_stays(tmp_path: Path):
    before = FernetBox.of_folder(tmp_path)

    add_key(tmp_path)

    keys = (tmp_path / "secret.key").read_text().split()
    assert len(keys) == 2
    assert FernetBox(keys[1]).decrypt(before.encrypt("x")) == "x"
    assert FernetBox(keys[0]).decrypt(FernetBox.of_folder(tmp_path).encrypt("y")) == "y"
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600

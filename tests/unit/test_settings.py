"""Settings come from the environment; a wrong one is named, a secret one never shown."""

from pathlib import Path

import pytest

from shared.errors import ConfigInvalid
from shared.settings import Settings, load


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch):
    for name in (*(f"MILLRACE_{field.upper()}" for field in Settings.model_fields), "DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)


def test_the_defaults_are_the_local_stages():
    settings = load()

    assert (settings.stage, settings.host, settings.port, settings.data) == (
        "local",
        "127.0.0.1",
        8000,
        Path(".millrace"),
    )
    assert settings.database_url is None
    assert settings.redis_url is None


def test_variables_carry_the_prefix(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MILLRACE_PORT", "9001")
    monkeypatch.setenv("MILLRACE_DATA", "/var/lib/millrace")
    monkeypatch.setenv("PORT", "9002")

    assert load().port == 9001
    assert load().data == Path("/var/lib/millrace")


def test_the_stores_have_the_names_that_other_tools_made_standard(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@db/m")
    monkeypatch.setenv("REDIS_URL", "redis://cache:6379/0")

    settings = load()

    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://u:p@db/m"
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://cache:6379/0"


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@db/m")
    monkeypatch.setenv("MILLRACE_ENCRYPTION_KEYS", "a-key")

    assert "hunter2" not in repr(load())
    assert "a-key" not in repr(load())


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("MILLRACE_PORT", "http", "port"),
        ("MILLRACE_PORT", "70000", "port"),
        ("MILLRACE_HOST", "0.0.0.0", "host"),
        ("MILLRACE_LOG_LEVEL", "loud", "log_level"),
        ("MILLRACE_STAGE", "gcp", "stage"),
        ("MILLRACE_MAX_BODY_BYTES", "1", "max_body_bytes"),
    ],
)
def test_a_wrong_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str):
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigInvalid, match=told):
        load()


def test_every_wrong_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MILLRACE_PORT", "http")
    monkeypatch.setenv("MILLRACE_LOG_LEVEL", "loud")

    with pytest.raises(ConfigInvalid) as caught:
        load()

    assert "port" in caught.value.message
    assert "log_level" in caught.value.message
    assert caught.value.__cause__ is None

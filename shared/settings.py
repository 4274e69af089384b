"""Settings, read once from the environment. Every field is documented in README.md and docs/operate.md.

Names carry the prefix `MILLRACE_`, except the ones that other tools made standard (DATABASE_URL, REDIS_URL).
"""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import ConfigInvalid

DEFAULT_PROJECT_ID = "00000000-0000-7000-8000-000000000001"
"""The project that the local stage begins with."""

MAX_BODY_BYTES = 1024 * 1024
"""The largest request body that any door takes in (1 MiB)."""


class Settings(BaseSettings):
    """What can be set, with its default for the local stage."""

    model_config = SettingsConfigDict(env_prefix="MILLRACE_", extra="ignore", populate_by_name=True)

    stage: Literal["local", "localstack", "aws"] = "local"
    host: Literal["127.0.0.1", "localhost", "::1"] = "127.0.0.1"  # others come through a proxy with TLS
    port: int = Field(default=8000, ge=0, le=65535)
    data: Path = Path(".millrace")
    database_url: SecretStr | None = Field(default=None, validation_alias=AliasChoices("database_url", "DATABASE_URL"))
    redis_url: SecretStr | None = Field(default=None, validation_alias=AliasChoices("redis_url", "REDIS_URL"))
    blob_url: str | None = None
    """Where large payloads are kept: `file:///folder` or `s3://bucket/prefix`; by default in the data folder."""
    encryption_keys: SecretStr | None = None
    """Fernet keys, newest first, separated by commas; by default one is made in the data folder."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    max_body_bytes: int = Field(default=MAX_BODY_BYTES, ge=1024)
    max_queued: int = Field(default=100_000, ge=1)
    """Executions of one project that may wait to begin; further ones are refused with 429 until some have begun."""
    audit_retention_days: int = Field(default=400, ge=1)
    """How long entries of the audit log are kept."""
    oidc: SecretStr | None = None
    """Providers to sign in through, a JSON array of `{"name", "issuer", "client_id", "client_secret"}`."""
    rate_limit_address: int = Field(default=6_000, ge=0)
    """Requests a minute to the API from one address that is not loopback; 0 is no limit, here and below."""
    rate_limit_sign_in: int = Field(default=60, ge=0)
    """Of these, requests a minute that sign in or try to."""
    rate_limit_caller: int = Field(default=60_000, ge=0)
    """Requests a minute to the API by one user or one key."""
    rate_limit_project: int = Field(default=120_000, ge=0)
    """Requests a minute to the API for one project."""
    rate_limit_webhooks: int = Field(default=600_000, ge=0)
    """Authentic webhook deliveries a minute for one project."""
    cors_origins: str = ""
    """Origins whose pages may call the API with a key or a token, as `https://host`, separated by commas."""
    trusted_proxies: str = ""
    """Addresses and CIDRs of proxies whose X-Forwarded-For is believed, separated by commas."""
    allowed_hosts: str = ""
    """Private addresses that workflows may call, as `host`, `host:port` or CIDR, separated by commas."""
    default_model: str | None = None
    """The model behind `model: default`; without it the first provider with a key is used, else `demo:triage`."""

    langfuse_public_key: str | None = Field(default=None, validation_alias="LANGFUSE_PUBLIC_KEY")
    """With the secret key: every call of a model, and every tool that a model calls, is told to Langfuse."""
    langfuse_secret_key: SecretStr | None = Field(default=None, validation_alias="LANGFUSE_SECRET_KEY")
    langfuse_base_url: str = Field(default="https://cloud.langfuse.com", validation_alias="LANGFUSE_BASE_URL")

    @property
    def origins(self) -> list[str]:
        """Those of `cors_origins`."""
        return [each.strip() for each in self.cors_origins.split(",") if each.strip()]

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, given: str) -> str:
        for each in filter(None, (part.strip() for part in given.split(","))):
            if not re.fullmatch(r"https?://[^/\s*?#@]+", each):
                raise ValueError(f"'{each}' is no origin; write it as https://host or https://host:port")
        return given

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, given: str) -> str:
        for each in filter(None, given.split(",")):
            ip_network(each.strip())
        return given

    def require_database_url(self) -> str:
        """The database's URL, where there must be one. Raises ConfigInvalid."""
        if self.database_url is None:
            raise ConfigInvalid("There is no database. Set DATABASE_URL to postgresql://user:password@host:5432/name.")
        return self.database_url.get_secret_value()

    def require_encryption_keys(self) -> str:
        """The keys that seal secrets, where there must be some. Raises ConfigInvalid."""
        if self.encryption_keys is None:
            raise ConfigInvalid("There are no keys to seal secrets with. Set MILLRACE_ENCRYPTION_KEYS.")
        return self.encryption_keys.get_secret_value()

    def require_redis_url(self) -> str:
        """The cache's URL, where there must be one. Raises ConfigInvalid."""
        if self.redis_url is None:
            raise ConfigInvalid("There is no cache. Set REDIS_URL to redis://host:6379/0.")
        return self.redis_url.get_secret_value()


def load() -> Settings:
    """Settings of this process.

    Raises:
        ConfigInvalid: a variable has a value that is not allowed; the message names each, never its secret.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
        raise ConfigInvalid(f"Settings are not valid: {'; '.join(lines)}. Correct the environment variables.") from None

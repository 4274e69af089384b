"""Settings of the functions that only exist on AWS; the CDK writes them into the functions' environment."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote

import orjson
from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.adapters.aws.client import client
from shared.errors import ConfigInvalid
from shared.settings import Settings, load


class _LangfuseKeys(BaseModel):
    public: str = Field(alias="LANGFUSE_PUBLIC_KEY", min_length=1)
    secret: SecretStr = Field(alias="LANGFUSE_SECRET_KEY", min_length=1)


class AwsSettings(BaseSettings):
    """Names and ARNs of what is deployed."""

    model_config = SettingsConfigDict(env_prefix="MILLRACE_", extra="ignore")

    queue_high: str = ""
    queue_normal: str = ""
    queue_low: str = ""
    wakes_queue_url: str = ""
    queue_housekeeping: str = ""
    watches_queue_url: str = ""
    event_bus: str = ""
    schedule_group: str = ""
    scheduler_role_arn: str = ""
    fires_queue_arn: str = ""
    fires_queue_url: str = ""
    polls_queue_arn: str = ""
    environment: str = ""
    """The environment's name, which tags what publishing makes, as the CDK tags what it deploys: budgets go by it."""
    machine_prefix: str = "millrace"
    machine_role_arn: str = ""
    machine_log_group_arn: str = ""
    bulk_machine_arn: str = ""
    replay_machine_arn: str = ""
    publish_burst: int = Field(default=80, ge=1)
    """Calls in a row of each operation that publishing needs: of a bucket of 100, a fifth is left to others."""
    publish_per_second: float = Field(default=1.0, gt=0)
    express_log_group_arn: str = ""
    """Where EXPRESS machines log all that happens; `complete` gets it from there."""
    agent_function_arn: str = ""
    approval_function_arn: str = ""
    http_function_arn: str = ""
    tool_function_arn: str = ""
    sealing_secret: str = ""
    model_keys_secret: str = ""
    oidc_secret: str = ""
    """Holds what MILLRACE_OIDC does."""
    langfuse_secret: str = ""
    """Holds an object of LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY."""
    cache_clustered: bool = False
    """Whether REDIS_URL is that of a cluster, as ElastiCache Serverless is."""
    database_secret: str = ""
    database_host: str = ""
    database_port: int | None = None
    """Of the proxy in front of the database; without it, the database's own, which its secret knows."""
    database_reader_host: str = ""
    """A copy of the database that may be read; none where there is no copy."""

    def resolved(self, text: str) -> str:
        """The text with the ARNs of node functions in the place of their names, such as `${ToolFunctionArn}`."""
        for name in ("Agent", "Approval", "Http", "Tool"):
            text = text.replace(f"${{{name}FunctionArn}}", getattr(self, f"{name.lower()}_function_arn"))
        return text


@dataclass(frozen=True, slots=True)
class Stage:
    """Both kinds of settings, with the secrets that they name read."""

    settings: Settings
    aws: AwsSettings
    reader_url: SecretStr | None = None
    """Of the database's copy, for lists."""


@cache
def stage() -> Stage:
    """The settings of this process; secrets are read once, when it starts.

    Raises:
        ConfigInvalid: a variable, or a secret, has a value that is not allowed.
        ClientError: a secret cannot be read.
    """
    settings, aws = load(), AwsSettings()
    found: dict[str, SecretStr | str] = {}
    reader = None
    if aws.database_secret:
        secret = _secret(aws.database_secret)
        found["database_url"] = _database_url(secret, aws.database_host, aws.database_port)
        if aws.database_reader_host:
            reader = _database_url(secret, aws.database_reader_host, aws.database_port)
    if aws.sealing_secret and settings.encryption_keys is None:
        found["encryption_keys"] = SecretStr(_sealing_keys(_secret(aws.sealing_secret)))
    if aws.oidc_secret:
        found["oidc"] = SecretStr(_secret(aws.oidc_secret))
    if aws.langfuse_secret:
        found |= _langfuse(_secret(aws.langfuse_secret), aws.langfuse_secret)
    return Stage(settings.model_copy(update=found), aws, reader)


@cache
def model_keys() -> dict[str, str]:
    """Keys of models' providers, by the names of their variables; read once. Raises ClientError."""
    arn = stage().aws.model_keys_secret
    return {str(name): str(key) for name, key in orjson.loads(_secret(arn)).items()} if arn else {}


def _secret(arn: str) -> str:
    return str(client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])


def _database_url(secret: str, host: str, port: int | None) -> SecretStr:
    """From what RDS keeps in its secret: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html."""
    fields = orjson.loads(secret)
    user, password = quote(fields["username"], safe=""), quote(fields["password"], safe="")
    place = f"{host}:{port or fields['port']}/{fields['dbname']}"
    return SecretStr(f"postgresql://{user}:{password}@{place}?sslmode=require")


def _langfuse(secret: str, arn: str) -> dict[str, SecretStr | str]:
    try:
        keys = _LangfuseKeys.model_validate_json(secret)
    except ValidationError:
        raise ConfigInvalid(
            f'The secret {arn} must hold the object {{"LANGFUSE_PUBLIC_KEY": "…", "LANGFUSE_SECRET_KEY": "…"}}. '
            "Correct it in Secrets Manager; functions read it when they start."
        ) from None
    return {"langfuse_public_key": keys.public, "langfuse_secret_key": keys.secret}


def _sealing_keys(secret: str) -> str:
    """Fernet keys, newest first: one from each line of the secret, which holds 64 random characters."""
    digests = (hashlib.sha256(line.encode()).digest() for line in secret.split())
    return ",".join(base64.urlsafe_b64encode(digest).decode() for digest in digests)

"""Which model an agent node runs on. Names only: nothing here imports a provider's library.

Terms:
  model name   `provider:name`, such as `openai:gpt-6-luna`, or `default` for what the installation is set to
  stand-in     `demo:triage`, which is no language model; it lets the example run where no key is set

The operator's environment decides where calls go (OPENAI_BASE_URL, keys, AWS credentials), never an author. That is why
a model's base URL is not under the egress policy: an internal model server is a normal choice.
"""

from collections.abc import Mapping

from shared.errors import ModelRefused

DEMO_MODEL = "demo:triage"
PROVIDERS = ("openai", "anthropic", "bedrock", "demo")

_DEFAULTS = {
    "openai": "openai:gpt-6-luna",
    "anthropic": "anthropic:claude-haiku-5-5",
    "bedrock": "bedrock:global.anthropic.claude-haiku-5-5",
}
"""A small, cheap model of each provider, for `default` where MILLRACE_DEFAULT_MODEL is not set."""

_AWS_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_AWS_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


def resolve(model: str, default_model: str | None, environment: Mapping[str, str]) -> str:
    """The `provider:name` that a config's `model` stands for.

    Raises:
        ModelRefused: the provider is unknown, or what it needs is not set; the message says what to set.
    """
    name = _default(default_model, environment) if model == "default" else model
    provider, _, rest = name.partition(":")
    if provider not in PROVIDERS or not rest:
        raise ModelRefused(
            f"'{name}' is not a model. Write provider:name with one of {', '.join(PROVIDERS)}, such as "
            f"{_DEFAULTS['openai']}. Any OpenAI-compatible service is used as openai:name with OPENAI_BASE_URL set."
        )
    if provider == "demo" and name != DEMO_MODEL:
        raise ModelRefused(f"'{name}' is not a model; the only stand-in is {DEMO_MODEL}.")
    _require(provider, name, environment)
    return name


def _default(default_model: str | None, environment: Mapping[str, str]) -> str:
    compatible = bool(environment.get("OPENAI_BASE_URL"))
    if default_model:
        known = default_model.partition(":")[0] in PROVIDERS
        return f"openai:{default_model}" if compatible and not known else default_model
    if compatible:
        raise ModelRefused(
            "OPENAI_BASE_URL is set, but not which model that service has. Set MILLRACE_DEFAULT_MODEL=openai:<name>."
        )
    if environment.get("OPENAI_API_KEY"):
        return _DEFAULTS["openai"]
    if environment.get("ANTHROPIC_API_KEY"):
        return _DEFAULTS["anthropic"]
    return _DEFAULTS["bedrock"] if _has_aws(environment) else DEMO_MODEL


def _require(provider: str, name: str, environment: Mapping[str, str]) -> None:
    if provider == "openai" and not (environment.get("OPENAI_API_KEY") or environment.get("OPENAI_BASE_URL")):
        raise _missing(name, "OPENAI_API_KEY, or OPENAI_BASE_URL for an OpenAI-compatible service")
    if provider == "anthropic" and not environment.get("ANTHROPIC_API_KEY"):
        raise _missing(name, "ANTHROPIC_API_KEY")
    if provider == "bedrock" and not _has_aws(environment):
        raise _missing(name, "AWS credentials (such as AWS_PROFILE) and AWS_REGION")


def _has_aws(environment: Mapping[str, str]) -> bool:
    credentials = any(environment.get(key) for key in _AWS_CREDENTIALS)
    return credentials and any(environment.get(key) for key in _AWS_REGIONS)


def _missing(name: str, what: str) -> ModelRefused:
    return ModelRefused(
        f"The model '{name}' can not be called: set {what} in the environment of Millrace and start it again, "
        f"or use `model: {DEMO_MODEL}` to try the workflow without a language model."
    )

"""Settings of functions that the context may give, each for the functions that go by it.

Their defaults and their meaning are those of shared/settings.py. Secrets are given by the ARN of one that the platform
engineer made: its value is in no template, and read when a function starts.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any


@dataclass(frozen=True, slots=True)
class Setting:
    """`check` says what is wrong with a value, in words, or nothing; `functions`: the empty tuple is all."""

    key: str
    functions: tuple[str, ...]
    check: Callable[[str], str | None]
    variable: str = ""

    @property
    def name(self) -> str:
        """Of the functions' variable."""
        return self.variable or f"MILLRACE_{self.key.upper()}"

    def concerns(self, function: str) -> bool:
        """Whether the function goes by it."""
        return not self.functions or function in self.functions


def _one_of(*allowed: str) -> Callable[[str], str | None]:
    return lambda value: None if value in allowed else f"must be one of {', '.join(allowed)}"


def _whole(least: int) -> Callable[[str], str | None]:
    return lambda value: (
        None if value.isdecimal() and int(value) >= least else f"must be a whole number, {least} or more"
    )


def _origins(value: str) -> str | None:
    wrong = [each for each in _listed(value) if not re.fullmatch(r"https?://[^/\s*?#@]+", each)]
    return f"must be origins, as https://host, separated by commas; '{wrong[0]}' is none" if wrong else None


def _networks(value: str) -> str | None:
    try:
        [ip_network(each) for each in _listed(value)]
    except ValueError as error:
        return f"must be addresses and CIDRs, separated by commas: {error}"
    return None


def _url(value: str) -> str | None:
    return None if re.fullmatch(r"https://[^\s?#]+", value) else "must be a URL that begins with https://"


def _secret(value: str) -> str | None:
    arn = r"arn:[\w-]+:secretsmanager:[\w-]+:\d{12}:secret:[\w/+=.@-]+"
    return None if re.fullmatch(arn, value) else "must be the ARN of a secret of Secrets Manager"


def _listed(value: str) -> list[str]:
    return [each.strip() for each in value.split(",") if each.strip()]


SETTINGS = (
    Setting("log_level", (), _one_of("debug", "info", "warning", "error")),
    Setting("max_queued", ("api", "tool", "event", "schedule", "poll", "bulk"), _whole(1)),
    Setting("audit_retention_days", ("housekeeping",), _whole(1)),
    Setting("rate_limit_address", ("api",), _whole(0)),
    Setting("rate_limit_sign_in", ("api",), _whole(0)),
    Setting("rate_limit_caller", ("api",), _whole(0)),
    Setting("rate_limit_project", ("api",), _whole(0)),
    Setting("rate_limit_webhooks", ("webhook",), _whole(0)),
    Setting("cors_origins", ("api",), _origins),
    Setting("trusted_proxies", ("api", "webhook"), _networks),
    Setting("langfuse_base_url", ("agent", "tool"), _url, "LANGFUSE_BASE_URL"),
)
SECRETS = (
    Setting("oidc_secret", ("api",), _secret),
    Setting("langfuse_secret", ("agent", "tool"), _secret),
)
KEYS = tuple(each.key for each in (*SETTINGS, *SECRETS))


def given(context: Mapping[str, Any]) -> dict[str, str]:
    """What the context sets, by its keys.

    Raises:
        ValueError: a value is not allowed; says which, and what is.
    """
    found: dict[str, str] = {}
    for each in (*SETTINGS, *SECRETS):
        if context.get(each.key) in (None, ""):
            continue
        value = str(context[each.key])
        if problem := each.check(value):
            raise ValueError(f"The context key {each.key} is '{value}'; it {problem}.")
        found[each.key] = value
    return found


def variables(settings: Mapping[str, str], function: str) -> dict[str, str]:
    """Of one function."""
    of = [each for each in (*SETTINGS, *SECRETS) if each.key in settings and each.concerns(function)]
    return {each.name: settings[each.key] for each in of}


def secrets(settings: Mapping[str, str], function: str) -> list[str]:
    """ARNs of the secrets that a function reads because of them."""
    return [settings[each.key] for each in SECRETS if each.key in settings and each.concerns(function)]

"""What differs between environments, typed. `-c env=dev|prod|localstack` chooses one; other context keys fill it in.

Costs are of us-east-1 (2026-11) and per month, for what runs when nothing runs: see docs/operations.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from constructs import Node

from infra import settings

ROOT = Path(__file__).parents[1]


class ContextInvalid(Exception):
    """A context key has a value that is not allowed."""


@dataclass(frozen=True, slots=True)
class AtOnce:
    """How many calls of its function each queue may have under way, from 2 to 1,000. What has no turn yet waits in the
    queue, so that a bulk run takes neither the account's concurrency from those who ask the API, nor the database's
    connections. A call takes a batch of ten, but for `high` and `polls`, which take one.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    """

    high: int = 5
    normal: int = 5
    low: int = 2
    events: int = 5
    ends: int = 5
    watches: int = 2
    fires: int = 5
    polls: int = 10
    """A slow source keeps a call for up to two minutes."""
    wakes: int = 5
    """No more anywhere: those that admit wait for one another in the database."""
    housekeeping: int = 2


@dataclass(frozen=True, slots=True)
class Environment:
    """One deployment of the whole product."""

    name: str
    stage: str
    """The setting `MILLRACE_STAGE` of the functions: `aws` or `localstack`."""
    bundles: Path | None
    """The folder of the functions' zips; None puts a placeholder in their place, for templates that nobody deploys."""
    retain: bool
    """Whether data outlives the stack."""
    own_stores: bool = True
    """Aurora, ElastiCache and the VPC around them; without, `database_url` and `redis_url` are given."""
    nat_gateways: int = 1
    """Each costs 33 dollars a month; nodes that call the internet need one."""
    availability_zones: str = ""
    """Two or more, separated by commas; without, the first two of the region. RDS Proxy is not in every zone."""
    postgres_version: str = "16.13"
    """Of Aurora. AWS retires minor versions within a year or so, and makes no cluster of one that is retired."""
    aurora_min_acu: float = 0
    """0 pauses an idle database, which then takes 15 s to wake; each half unit kept awake costs 44 dollars a month."""
    aurora_max_acu: float = 4
    cache_max_gb: int = 1
    log_days: int = 30
    archive_days: int = 14
    requests_per_second: int = 50
    burst: int = 100
    requests_per_ip: int = 2_000
    """In five minutes; the web application firewall blocks an address above that."""
    at_once: AtOnce = AtOnce()
    node_concurrency: int | None = None
    """Reserved concurrency of each node function; None leaves it to the account."""
    api_concurrency: int | None = None
    """The same of `api`, and below of `webhook`: nobody else takes these, and they get no more. A new account has ten,
    and reserving any of them fails the deploy."""
    webhook_concurrency: int | None = None
    publish_burst: int = 80
    """Publications at once; Step Functions takes a hundred calls of each operation, of which others get a fifth."""
    publish_per_second: float = 1
    """After that; raise both with the quotas."""
    edge: bool = True
    """WAF and CloudFront."""
    alarm_email: str | None = None
    monthly_budget_usd: int | None = None
    domain_name: str | None = None
    certificate_arn: str | None = None
    database_url: str | None = None
    redis_url: str | None = None
    allowed_hosts: str = ""
    default_model: str | None = None
    openai_base_url: str | None = None
    model_keys_secret: str | None = None
    """ARN of a secret like {"OPENAI_API_KEY": "…"}; models of Bedrock need none."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What functions are told besides, by the keys of infra/settings.py."""

    @property
    def prefix(self) -> str:
        """What names of resources begin with."""
        return f"millrace-{self.name}"

    @property
    def zones(self) -> list[str]:
        """Where the network is; empty leaves it to the region."""
        return [each.strip() for each in self.availability_zones.split(",") if each.strip()]


_AWS = ROOT / "dist" / "bundles" / "aws"

ENVIRONMENTS: Mapping[str, Environment] = {
    "dev": Environment(name="dev", stage="aws", bundles=_AWS, retain=False),
    "prod": Environment(
        name="prod",
        stage="aws",
        bundles=_AWS,
        retain=True,
        nat_gateways=2,
        aurora_min_acu=0.5,
        aurora_max_acu=32,
        cache_max_gb=10,
        log_days=90,
        archive_days=90,
        requests_per_second=500,
        burst=1_000,
        monthly_budget_usd=500,
        # If a batch of ten takes half a second, twenty calls start 400 executions a second: Step Functions takes 300.
        at_once=AtOnce(high=20, normal=20, low=10, events=20, ends=20, watches=5, fires=10, polls=50),
    ),
    # LocalStack emulates neither RDS, ElastiCache, WAF nor CloudFront, and no NAT.
    "localstack": Environment(
        name="localstack",
        stage="localstack",
        bundles=ROOT / "dist" / "bundles" / "host",
        retain=False,
        own_stores=False,
        nat_gateways=0,
        publish_burst=1_000,  # it throttles nobody
        publish_per_second=1_000,
        edge=False,
    ),
}

_MODELS = ("default_model", "openai_base_url", "model_keys_secret")
_STORES = ("database_url", "redis_url", "availability_zones", "postgres_version")
_TEXTS = ("alarm_email", "domain_name", "certificate_arn", "allowed_hosts", *_STORES, *_MODELS)
_NUMBERS = ("monthly_budget_usd", "node_concurrency", "api_concurrency", "webhook_concurrency")
"""Whole ones, of 1 or more."""


def from_context(node: Node) -> Environment:
    """The environment that the context asks for.

    Raises:
        ContextInvalid: no such environment, or one that lacks what it needs, or a value that is none.
    """
    keys = (*_TEXTS, *_NUMBERS, *settings.KEYS, "code")
    return environment(str(node.try_get_context("env")), {key: node.try_get_context(key) for key in keys})


def environment(name: str, context: Mapping[str, Any]) -> Environment:
    """The environment `name`, with what `context` sets; `code: none` leaves the functions' code out.

    Raises:
        ContextInvalid: no such environment, or one that lacks what it needs, or a value that is none.
    """
    base = ENVIRONMENTS.get(name)
    if base is None:
        raise ContextInvalid(f"The context key env is '{name}'; it must be one of {', '.join(ENVIRONMENTS)}.")
    given: dict[str, Any] = {key: str(context[key]) for key in _TEXTS if context.get(key)}
    given |= {key: _number(key, context[key]) for key in _NUMBERS if context.get(key) is not None}
    if context.get("code") == "none":
        given["bundles"] = None
    try:
        given["settings"] = settings.given(context)
    except ValueError as error:
        raise ContextInvalid(str(error)) from None
    found = replace(base, **given)
    if not found.own_stores and not (found.database_url and found.redis_url):
        raise ContextInvalid(
            f"The environment '{name}' has no stores of its own. Give it yours: -c database_url=… -c redis_url=…."
        )
    if bool(found.domain_name) != bool(found.certificate_arn):
        raise ContextInvalid("domain_name and certificate_arn go together; give both or neither.")
    _check_database(found)
    return found


def _check_database(found: Environment) -> None:
    if not re.fullmatch(r"\d+\.\d+", found.postgres_version):
        raise ContextInvalid(
            f"The context key postgres_version is '{found.postgres_version}'; it must be a version of Aurora, such as "
            "16.13."
        )
    if found.availability_zones and not found.zones[1:]:
        raise ContextInvalid(
            f"The context key availability_zones is '{found.availability_zones}'; it must name two or more zones, "
            "separated by commas."
        )


def _number(key: str, value: Any) -> int:
    """The command line gives text, a file may give a number."""
    if not str(value).isdecimal() or int(value) < 1:
        raise ContextInvalid(f"The context key {key} is '{value}'; it must be a whole number of 1 or more.")
    return int(value)

"""Settings that the context gives: each reaches the functions that go by it, and their secrets no other."""

import json
import re
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from infra import settings
from infra.application import compose
from infra.config import ContextInvalid, environment, from_context
from infra.constructs.function import HANDLERS
from infra.stacks.functions import SIZES
from shared.settings import Settings
from tests.infra.conftest import ROOT, as_list, statements

SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:{}-AbCdEf"
CONTEXT = {
    "log_level": "debug",
    "max_queued": 5_000,
    "audit_retention_days": "800",
    "rate_limit_address": "0",
    "rate_limit_sign_in": "10",
    "rate_limit_caller": "20",
    "rate_limit_project": "30",
    "rate_limit_webhooks": "40",
    "cors_origins": "https://app.example.org, https://other.example.org:8443",
    "trusted_proxies": "130.176.0.0/17,2600:9000::/28",
    "langfuse_base_url": "https://langfuse.example.org",
    "oidc_secret": SECRET.format("oidc"),
    "langfuse_secret": SECRET.format("langfuse"),
}
TOLD = {
    "MILLRACE_MAX_QUEUED": ("5000", {"api", "tool", "event", "schedule", "poll", "bulk"}),
    "MILLRACE_AUDIT_RETENTION_DAYS": ("800", {"housekeeping"}),
    "MILLRACE_RATE_LIMIT_ADDRESS": ("0", {"api"}),
    "MILLRACE_RATE_LIMIT_SIGN_IN": ("10", {"api"}),
    "MILLRACE_RATE_LIMIT_CALLER": ("20", {"api"}),
    "MILLRACE_RATE_LIMIT_PROJECT": ("30", {"api"}),
    "MILLRACE_RATE_LIMIT_WEBHOOKS": ("40", {"webhook"}),
    "MILLRACE_CORS_ORIGINS": (CONTEXT["cors_origins"], {"api"}),
    "MILLRACE_TRUSTED_PROXIES": (CONTEXT["trusted_proxies"], {"api", "webhook"}),
    "LANGFUSE_BASE_URL": ("https://langfuse.example.org", {"agent", "tool"}),
    "MILLRACE_OIDC_SECRET": (CONTEXT["oidc_secret"], {"api"}),
    "MILLRACE_LANGFUSE_SECRET": (CONTEXT["langfuse_secret"], {"agent", "tool"}),
    "MILLRACE_LOG_LEVEL": ("debug", {*HANDLERS}),
}
OF_STACKS = {"stage", "database_url", "redis_url", "blob_url", "encryption_keys", "allowed_hosts", "default_model"}
ONLY_LOCAL = {"host", "port", "data"}
NOT_ON_AWS = {"max_body_bytes": "the firewall and API Gateway hold the size of bodies"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Resources of the stack of functions, where all is set; the synthesis fails on what cdk-nag finds."""
    folder = tmp_path_factory.mktemp("settings")
    context = json.loads((ROOT / "cdk.json").read_text())["context"] | CONTEXT | {"env": "dev", "code": "none"}
    app = cdk.App(outdir=str(folder), context=context)
    stack = compose(app, from_context(app.node))["functions"]
    path = app.synth().get_stack_by_name(stack.stack_name).template_full_path
    resources: dict[str, Any] = json.loads(Path(path).read_text())["Resources"]
    return resources


def test_each_setting_reaches_the_functions_that_go_by_it_and_no_other(made: dict[str, Any]):
    functions = [each["Properties"] for each in made.values() if each["Type"] == "AWS::Lambda::Function"]
    variables = {each["FunctionName"].rpartition("-")[2]: each["Environment"]["Variables"] for each in functions}

    assert variables.keys() == SIZES.keys()
    for name, (value, functions_of_it) in TOLD.items():
        assert {each for each, told in variables.items() if name in told} == functions_of_it, name
        assert {told[name] for told in variables.values() if name in told} == {value}


def test_a_secret_is_read_by_the_functions_that_need_it_and_no_other(made: dict[str, Any]):
    readers: dict[str, set[str]] = {}
    for name, resource in made.items():
        if resource["Type"] == "AWS::IAM::Policy":
            function = max((each for each in HANDLERS if name.startswith(each)), key=len)
            for statement in statements(resource["Properties"]):
                if "secretsmanager:GetSecretValue" in as_list(statement["Action"]):
                    for arn in as_list(statement["Resource"]):
                        readers.setdefault(str(arn), set()).add(function)

    assert readers[CONTEXT["oidc_secret"]] == {"api"}
    assert readers[CONTEXT["langfuse_secret"]] == {"agent", "tool"}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("log_level", "loud", "must be one of debug, info, warning, error"),
        ("max_queued", "0", "a whole number, 1 or more"),
        ("rate_limit_caller", "-1", "a whole number, 0 or more"),
        ("rate_limit_caller", "many", "a whole number, 0 or more"),
        ("cors_origins", "https://a.example/path", "'https://a.example/path' is none"),
        ("cors_origins", "*", "'\\*' is none"),
        ("trusted_proxies", "10.0.0.1/8", "must be addresses and CIDRs"),
        ("langfuse_base_url", "http://langfuse", "begins with https://"),
        ("oidc_secret", '[{"name": "google"}]', "must be the ARN of a secret"),
        ("langfuse_secret", "langfuse", "must be the ARN of a secret"),
    ],
)
def test_a_value_that_no_function_would_take_is_refused_before_the_deploy(key: str, value: str, words: str):
    with pytest.raises(ContextInvalid, match=f"context key {key} is .*{words}"):
        environment("dev", {key: value})


def test_without_context_functions_go_by_the_defaults():
    assert environment("dev", {}).settings == {}
    assert environment("dev", {"log_level": "", "oidc_secret": None}).settings == {}


def test_every_setting_of_the_product_can_be_given_on_aws_or_is_known_not_to_be():
    given = {each.removesuffix("_secret") for each in settings.KEYS}
    langfuse = {"langfuse_public_key", "langfuse_secret_key"}  # both in one secret

    assert {*Settings.model_fields} - langfuse - OF_STACKS - ONLY_LOCAL - {*NOT_ON_AWS} == given - {"langfuse"}


def test_every_key_is_documented():
    text = (ROOT / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)

    documented = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert {*settings.KEYS} - documented == set()

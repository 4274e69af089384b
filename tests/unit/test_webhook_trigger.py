"""Webhook triggers: signatures, and the input that a delivery becomes."""

import base64
import hashlib
import hmac

import pytest
from pydantic import ValidationError
from starlette.datastructures import Headers

from shared.errors import SignatureInvalid
from shared.triggers.webhook import (
    GitHubVerification,
    HmacVerification,
    NoVerification,
    WebhookTriggerConfig,
    is_path,
    verify,
    webhook_input,
)

# https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
SECRET = "It's a Secret to Everybody"
PAYLOAD = b"Hello, World!"
SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
GITHUB = GitHubVerification(scheme="github")


def test_githubs_documented_signature_verifies():
    verify(GITHUB, SECRET, PAYLOAD, Headers({"X-Hub-Signature-256": SIGNATURE}))


@pytest.mark.parametrize(
    ("secret", "body", "headers"),
    [
        (SECRET, PAYLOAD, {}),
        (SECRET, PAYLOAD + b" ", {"X-Hub-Signature-256": SIGNATURE}),
        ("another", PAYLOAD, {"X-Hub-Signature-256": SIGNATURE}),
        (SECRET, PAYLOAD, {"X-Hub-Signature-256": SIGNATURE.removeprefix("sha256=")}),
        (SECRET, PAYLOAD, {"X-Hub-Signature-256": SIGNATURE[:-2]}),
        (SECRET, PAYLOAD, {"X-Hub-Signature-256": "sha256="}),
        (SECRET, PAYLOAD, {"X-Hub-Signature-256": "sha256=ünicode"}),
        (SECRET, PAYLOAD, {"X-Hub-Signature": SIGNATURE}),
        (None, PAYLOAD, {"X-Hub-Signature-256": SIGNATURE}),
        ("", b"", {"X-Hub-Signature-256": "sha256=" + hmac.digest(b"", b"", "sha256").hex()}),
    ],
)
def test_anything_else_does_not(secret, body, headers):
    with pytest.raises(SignatureInvalid) as caught:
        verify(GITHUB, secret, body, Headers(headers))
    assert SECRET not in str(caught.value)
    assert SIGNATURE.removeprefix("sha256=") not in str(caught.value)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_hmac_in_any_header(algorithm, encoding):
    digest = hmac.new(b"s", b"body", getattr(hashlib, algorithm)).digest()
    text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    rule = HmacVerification(scheme="hmac", algorithm=algorithm, encoding=encoding, header="X-Shop-Hmac", prefix="v1=")

    verify(rule, "s", b"body", Headers({"x-shop-hmac": f"v1={text}"}))
    with pytest.raises(SignatureInvalid):
        verify(rule, "s", b"body!", Headers({"x-shop-hmac": f"v1={text}"}))


def test_without_verification_nothing_is_asked():
    verify(NoVerification(), None, b"", Headers({}))


@pytest.mark.parametrize(
    "config",
    [
        {"path": "a/b"},
        {"path": "a\n"},
        {"respond_within_seconds": 29},
        {"path": ""},
        {"path": "ü"},
        {"path": "a" * 129},
        {"methods": []},
        {"methods": ["TRACE"]},
        {"verification": {"scheme": "md5"}},
        {"verification": {"scheme": "hmac", "header": "X Space"}},
        {"verification": {"scheme": "hmac", "algorithm": "md5"}},
        {"delivery_id_header": "a\r\nb"},
        {"sekret": "x"},
    ],
)
def test_bad_configs_are_refused(config):
    with pytest.raises(ValidationError):
        WebhookTriggerConfig.model_validate(config)


def test_paths():
    assert is_path("github-issues_1")
    assert not any(map(is_path, ["", "a/b", "a\x00", "a\n", "é", "x" * 129]))


def test_delivery_ids():
    github = WebhookTriggerConfig.model_validate({"verification": {"scheme": "github"}})
    other = WebhookTriggerConfig(delivery_id_header="X-Event-Id")

    assert github.delivery_id(Headers({"x-github-delivery": "d-1"})) == "d-1"
    assert github.delivery_id(Headers({})) is None
    assert other.delivery_id(Headers({"X-Event-Id": "e-1", "X-GitHub-Delivery": "d-1"})) == "e-1"
    assert WebhookTriggerConfig().delivery_id(Headers({"X-GitHub-Delivery": "d-1"})) is None
    long, longer = (other.delivery_id(Headers({"X-Event-Id": "e" * n})) for n in (5000, 5001))
    assert long != longer
    assert len(long) < 200


def test_the_input_leaves_credentials_out():
    headers = [
        ("Content-Type", "application/json"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Forwarded-For", "10.0.0.2"),
        ("Authorization", "Bearer t"),
        ("Proxy-Authorization", "Basic t"),
        ("Cookie", "session=t"),
        ("X-Hub-Signature", "t"),
        ("X-Hub-Signature-256", "t"),
        ("X-Gitlab-Token", "t"),
        ("X-Api-Key", "t"),
        ("X-Shop-Hmac", "t"),
    ]
    rule = HmacVerification(scheme="hmac", header="X-Shop-Hmac")

    data = webhook_input(
        rule, method="POST", headers=headers, query=[("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")], body={"x": 1}
    )

    assert data == {
        "body": {"x": 1},
        "headers": {"content-type": "application/json", "x-forwarded-for": "10.0.0.1, 10.0.0.2"},
        "query": {"a": ["1", "3", "4"], "b": "2"},
        "method": "POST",
    }

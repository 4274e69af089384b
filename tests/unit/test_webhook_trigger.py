"""Webhook triggers: their config, delivery ids, and the input that a delivery becomes."""

import pytest
from pydantic import ValidationError
from starlette.datastructures import Headers

from shared.triggers.signatures import ApiKeyVerification, HmacVerification
from shared.triggers.webhook import WebhookTriggerConfig, is_path, webhook_input


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
        {"verification": {"scheme": "hmac", "signed": "{timestamp}"}},
        {"verification": {"scheme": "hmac", "signed": "{timestamp}.{body}"}},
        {"verification": {"scheme": "hmac", "timestamp_header": "X-Time"}},
        {"verification": {"scheme": "basic"}},
        {"verification": {"scheme": "basic", "username": "a:b"}},
        {"verification": {"scheme": "twilio", "url": "javascript:1"}},
        {"verification": {"scheme": "stripe", "tolerance_seconds": 0}},
        {"allowed_ips": ["192.0.2.1/24"]},
        {"allowed_ips": ["example.com"]},
        {"cors_origins": ["https://a.example/path"]},
        {"cors_origins": ["null"]},
        {"challenge": {"type": "meta", "verify_token_sha256": "token"}},
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


def test_the_triggers_own_key_is_left_out_of_the_query():
    rule = ApiKeyVerification(scheme="api_key", place="query", name="k")

    data = webhook_input(rule, method="GET", headers=[], query=[("k", "s3cret"), ("a", "1")], body=None)

    assert data["query"] == {"a": "1"}


@pytest.mark.parametrize(
    ("scheme", "headers", "body", "found"),
    [
        ("shopify", {"X-Shopify-Webhook-Id": "w-1"}, {}, "w-1"),
        ("standard", {"webhook-id": "msg_1"}, {}, "msg_1"),
        ("twilio", {"I-Twilio-Idempotency-Token": "t-1"}, {}, "t-1"),
        ("stripe", {}, {"id": "evt_1"}, "evt_1"),
        ("slack", {}, {"event_id": "Ev1"}, "Ev1"),
        ("slack", {}, {"event_id": 7}, None),
        ("stripe", {}, ["id"], None),
        ("bearer", {}, {"id": "x"}, None),
    ],
)
def test_each_schemes_own_delivery_id(scheme, headers, body, found):
    config = WebhookTriggerConfig.model_validate({"verification": {"scheme": scheme}})

    assert config.delivery_id(Headers(headers), body) == found

"""Signature schemes: the vectors of the vendors' documentation verify, and nothing that was tampered with does."""

import base64
import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import TypeAdapter

from shared.errors import InvalidParameter, SignatureInvalid
from shared.triggers.signatures import Delivery, NoVerification, Verification, check_secret, verify

RULES = TypeAdapter(Verification)


@dataclass(frozen=True)
class Vector:
    """A delivery that verifies; `proof` names the header that proves it, `stamp` the one of its time."""

    rule: dict
    secret: str
    delivery: Delivery
    proof: str
    stamp: str | None = None

    def check(self, delivery=None, secrets=None):
        verify(RULES.validate_python(self.rule), secrets or [self.secret], delivery or self.delivery)


def delivery(body, headers, *, at=1_700_000_000, url="https://example.com/webhooks/x", method="POST"):
    query = parse_qsl(urlsplit(url).query)
    return Delivery(method, url, list(headers.items()), query, body, datetime.fromtimestamp(at, UTC))


# https://api.slack.com/authentication/verifying-requests-from-slack
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
# https://www.twilio.com/docs/usage/security#validating-requests
TWILIO_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
TWILIO_BODY = b"Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE"
# RequestValidatorTest of https://github.com/twilio/twilio-php
TWILIO_JSON = b'{"property": "value", "boolean": true}'
TWILIO_JSON_URL = f"{TWILIO_URL}&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"


def mac(secret, content, algorithm="sha256"):
    return hmac.new(secret, content, getattr(hashlib, algorithm)).digest()


def b64(data):
    return base64.b64encode(data).decode()


VECTORS = {
    # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
    "github": Vector(
        {"scheme": "github"},
        "It's a Secret to Everybody",
        delivery(
            b"Hello, World!",
            {"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
        ),
        "X-Hub-Signature-256",
    ),
    "slack": Vector(
        {"scheme": "slack"},
        "8f742231b10e8888abcd99yyyzzz85a5",
        delivery(
            SLACK_BODY,
            {
                "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
                "X-Slack-Request-Timestamp": "1531420618",
            },
            at=1531420618,
        ),
        "X-Slack-Signature",
        "X-Slack-Request-Timestamp",
    ),
    # https://github.com/standard-webhooks/standard-webhooks (the libraries' shared "sign function works" vector)
    "standard": Vector(
        {"scheme": "standard"},
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        delivery(
            b'{"test": 2432232314}',
            {
                "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "webhook-timestamp": "1614265330",
                "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            },
            at=1614265330,
        ),
        "webhook-signature",
        "webhook-timestamp",
    ),
    "twilio": Vector(
        {"scheme": "twilio"},
        "12345",
        delivery(TWILIO_BODY, {"X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="}, url=TWILIO_URL),
        "X-Twilio-Signature",
    ),
    "twilio-json": Vector(
        {"scheme": "twilio"},
        "12345",
        delivery(TWILIO_JSON, {"X-Twilio-Signature": "a9nBmqA0ju/hNViExpshrM61xv4="}, url=TWILIO_JSON_URL),
        "X-Twilio-Signature",
    ),
    # Stripe publishes no vector with its secret: made here after https://docs.stripe.com/webhooks#verify-manually
    "stripe": Vector(
        {"scheme": "stripe"},
        "whsec_test_secret",
        delivery(
            b'{"id": "evt_test", "object": "event"}',
            {
                "Stripe-Signature": "t=1492774577,v1="
                + mac(b"whsec_test_secret", b'1492774577.{"id": "evt_test", "object": "event"}').hex()
                + ",v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"
            },
            at=1492774577,
        ),
        "Stripe-Signature",
    ),
    # Shopify publishes no vector: made here after shopify.dev/docs/apps/build/webhooks/subscribe/https
    "shopify": Vector(
        {"scheme": "shopify"},
        "hush",
        delivery(b'{"id": 7}', {"X-Shopify-Hmac-SHA256": b64(mac(b"hush", b'{"id": 7}'))}),
        "X-Shopify-Hmac-SHA256",
    ),
    "hmac": Vector(
        {
            "scheme": "hmac",
            "algorithm": "sha512",
            "header": "X-Sig",
            "encoding": "base64",
            "prefix": "v1=",
            "timestamp_header": "X-Time",
            "signed": "{method}|{url}|{timestamp}|{body}",
        },
        "hunter2",
        delivery(
            b"body",
            {
                "X-Sig": "v1=" + b64(mac(b"hunter2", b"POST|https://example.com/webhooks/x|1700000000|body", "sha512")),
                "X-Time": "1700000000",
            },
        ),
        "X-Sig",
        "X-Time",
    ),
}


def headers_but(vector, name, *values):
    kept = [pair for pair in vector.delivery.headers if pair[0] != name]
    return replace(vector.delivery, headers=[*kept, *((name, value) for value in values)])


def tampered(vector):
    """(what was done, the delivery, the secret): every kind of tampering that the scheme must notice."""
    right = vector.delivery
    body, proof = right.body, dict(right.headers)[vector.proof]
    for place in range(0, len(body) * 8, max(1, len(body) * 8 // 8)):
        changed = bytearray(body)
        changed[place // 8] ^= 1 << place % 8
        yield f"bit {place} of the body", replace(right, body=bytes(changed)), vector.secret
    for name, other in {"cut": body[:-1], "longer": body + b"x", "empty": b"", "reversed": body[::-1]}.items():
        yield f"body {name}", replace(right, body=other), vector.secret
    start = proof.find("v1=") + 3 if "v1=" in proof else proof.find("=") + 1 if proof[:8].count("=") else 3
    for place in range(start, start + 20, 2):
        swapped = proof[:place] + ("0" if proof[place] != "0" else "1") + proof[place + 1 :]
        yield f"character {place} of the proof", headers_but(vector, vector.proof, swapped), vector.secret
    end = proof.find(",v0=") if ",v0=" in proof else len(proof)
    others = {
        "cut by one": proof[: end - 1],
        "cut in half": proof[: len(proof) // 2],
        "empty": "",
        "a word": "signature",
        "not ASCII": proof[: end - 1] + "ü",
        "without its start": proof[start:],
        "reversed": proof[::-1],
        "twice in one": proof.replace("v1=", "v2=") + proof[start:],
        "in the other encoding": "".join(f"{ord(each):02x}" for each in proof),
    }
    for name, other in others.items():
        yield f"proof {name}", headers_but(vector, vector.proof, other), vector.secret
    yield "no proof", headers_but(vector, vector.proof), vector.secret
    yield "doubled header", headers_but(vector, vector.proof, proof, proof), vector.secret
    yield "second header", headers_but(vector, vector.proof, "x", proof), vector.secret
    yield "header of another name", replace(headers_but(vector, vector.proof), headers=[("X-Other", proof)]), "s"
    for other in ("another", vector.secret + "A", vector.secret[:-1] + "B", vector.secret.upper() + "="):
        yield "another secret", right, other
    if vector.stamp is not None or vector.proof == "Stripe-Signature":
        yield from late(vector)


def refusal(vector, case, secret):
    """What the sender is told; None where the delivery verifies."""
    try:
        vector.check(case, [secret])
    except SignatureInvalid as error:
        return str(error)
    return None


def late(vector):
    for seconds in (-301, 301, 86_400):
        moved = replace(vector.delivery, at=vector.delivery.at + timedelta(seconds=seconds))
        yield f"{seconds} s off", moved, vector.secret
    if vector.stamp is not None:
        stamp = dict(vector.delivery.headers)[vector.stamp]
        for other in (str(int(stamp) + 1), "", "now", f"+{stamp}", f"{stamp}.0", f" {stamp}", "٣", "9" * 400):
            yield f"time {other[:20]!r}", headers_but(vector, vector.stamp, other), vector.secret
        yield "no time", headers_but(vector, vector.stamp), vector.secret
        yield "two times", headers_but(vector, vector.stamp, stamp, stamp), vector.secret


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_verify(name):
    VECTORS[name].check()


@pytest.mark.parametrize("name", VECTORS)
def test_what_was_tampered_with_does_not(name):
    vector = VECTORS[name]
    cases = list(tampered(vector))

    assert len({(what, case.body, str(case.headers), secret, case.at) for what, case, secret in cases}) >= 30
    for what, case, secret in cases:
        words = refusal(vector, case, secret)
        assert words is not None, f"{what} verifies"
        assert vector.secret not in words, what


@pytest.mark.parametrize("name", VECTORS)
def test_any_active_secret_proves_and_none_proves_nothing(name):
    vector = VECTORS[name]

    vector.check(secrets=["whsec_bmV3", vector.secret])
    for none in (["whsec_bmV3"], [""]):
        with pytest.raises(SignatureInvalid):
            vector.check(secrets=none)


def test_the_empty_key_is_no_key():
    signed = {"X-Hub-Signature-256": "sha256=" + mac(b"", b"x").hex()}
    with pytest.raises(SignatureInvalid):
        verify(RULES.validate_python({"scheme": "github"}), [""], delivery(b"x", signed))


def test_times_within_the_tolerance():
    for name in ("slack", "stripe", "standard", "hmac"):
        vector = VECTORS[name]
        for seconds in (-300, 300):
            vector.check(replace(vector.delivery, at=vector.delivery.at + timedelta(seconds=seconds)))


def test_a_sender_that_rotates_sends_several_signatures():
    standard, stripe = VECTORS["standard"], VECTORS["stripe"]
    good = dict(standard.delivery.headers)["webhook-signature"]

    standard.check(headers_but(standard, "webhook-signature", f"v1,AAAA v1a,BBBB {good}"))
    other = dict(stripe.delivery.headers)["Stripe-Signature"].replace("v1=", f"v1={'0' * 64},v1=")
    stripe.check(headers_but(stripe, "Stripe-Signature", other))
    with pytest.raises(SignatureInvalid):  # the same digest under the test-mode scheme v0 proves nothing
        stripe.check(headers_but(stripe, "Stripe-Signature", other.replace("v1=", "v0=")))


@pytest.mark.parametrize(
    ("url", "signature"),
    [
        (TWILIO_URL.replace(".com", ".com:1234"), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (TWILIO_URL, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        (TWILIO_URL.replace("https", "http"), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    ],
)
def test_twilio_signs_with_and_without_the_port(url, signature):
    # The vectors of RequestValidatorTest in https://github.com/twilio/twilio-php
    right = delivery(TWILIO_BODY, {"X-Twilio-Signature": signature}, url=url)
    VECTORS["twilio"].check(right)


def test_twilio_fields_that_come_several_times():
    # "testValidateWithArrayAndDuplicates" of https://github.com/twilio/twilio-php
    body = b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234"
    VECTORS["twilio"].check(delivery(body, {"X-Twilio-Signature": "IK+Dwps556ElfBT0I3Rgjkr1wJU="}, url=TWILIO_URL))


def test_twilio_behind_a_proxy_signs_the_public_url():
    vector = VECTORS["twilio"]
    inner = replace(vector.delivery, url="http://127.0.0.1:8000/webhooks/x?foo=1&bar=2")
    outer = replace(vector, rule={"scheme": "twilio", "url": "https://mycompany.com/myapp.php"})

    outer.check(inner)
    for host in ("[", "host:port", "host:99999"):
        with pytest.raises(SignatureInvalid):
            vector.check(replace(vector.delivery, url=f"http://{host}/?foo=1&bar=2"))


BEARER, BASIC = {"scheme": "bearer"}, {"scheme": "basic", "username": "ada"}
HEADER, QUERY = {"scheme": "api_key", "name": "X-Key"}, {"scheme": "api_key", "place": "query", "name": "key"}


@pytest.mark.parametrize(
    ("rule", "headers", "query", "passes"),
    [
        (BEARER, {"Authorization": "Bearer pä55"}, "", True),
        (BEARER, {"authorization": "bearer pä55"}, "", True),
        (BEARER, {"Authorization": "pä55"}, "", False),
        (BEARER, {"Authorization": "Basic pä55"}, "", False),
        (BEARER, {"Authorization": "Bearer pä55 "}, "", True),
        (BEARER, {"Authorization": "Bearer"}, "", False),
        (BEARER, {}, "", False),
        (BASIC, {"Authorization": f"Basic {b64('ada:pä55'.encode())}"}, "", True),
        (BASIC, {"Authorization": f"Basic {b64('eve:pä55'.encode())}"}, "", False),
        (BASIC, {"Authorization": f"Basic {b64(b'ada:')}"}, "", False),
        (BASIC, {"Authorization": "Basic !"}, "", False),
        (HEADER, {"x-key": "pä55"}, "", True),
        (HEADER, {"x-key": "pä5"}, "", False),
        (HEADER, {}, "key=pä55", False),
        (QUERY, {}, "key=p%C3%A455", True),
        (QUERY, {}, "key=p%C3%A455&key=p%C3%A455", False),
        (QUERY, {}, "Key=p%C3%A455", False),
        (QUERY, {"key": "pä55"}, "", False),
    ],
)
def test_credentials(rule, headers, query, passes):
    case = delivery(b"x", headers, url=f"https://example.com/?{query}")
    if passes:
        verify(RULES.validate_python(rule), ["other", "pä55"], case)
        return
    with pytest.raises(SignatureInvalid) as caught:
        verify(RULES.validate_python(rule), ["other", "pä55"], case)
    assert "pä5" not in str(caught.value)


def test_without_verification_nothing_is_asked():
    verify(NoVerification(), [], delivery(b"", {}))


def test_secrets_that_a_scheme_cannot_use():
    standard = RULES.validate_python({"scheme": "standard"})
    check_secret(standard, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    for rule, secret in ((standard, "whsec_hunter2!"), (standard, "whsec_"), (NoVerification(), "hunter2\0")):
        with pytest.raises(InvalidParameter) as caught:
            check_secret(rule, secret)
        assert "hunter2" not in str(caught.value)

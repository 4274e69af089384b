"""The one check of every scheme: what a delivery offers as proof must equal what it has to be under a secret.

Texts are compared, not what they decode to, so that nothing but the canonical encoding passes; always in constant
time, and each secret and each offer is compared, whichever matches.
"""

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from shared.errors import InvalidParameter, SignatureInvalid
from shared.triggers.signatures.delivery import Delivery
from shared.triggers.signatures.schemes import (
    PLACEHOLDER,
    ApiKeyVerification,
    BasicVerification,
    BearerVerification,
    GitHubVerification,
    HmacVerification,
    NoVerification,
    ShopifyVerification,
    SlackVerification,
    StandardVerification,
    StripeVerification,
    TwilioVerification,
    Verification,
)

_MAX_OFFERS = 16
"""Signatures of one header that are looked at; senders that rotate keys send two."""

_MAX_FORM_FIELDS = 1_000
_DEFAULT_PORTS = {"http": 80, "https": 443}

_PRESETS: dict[type[Any], HmacVerification] = {
    GitHubVerification: HmacVerification(scheme="hmac", header="X-Hub-Signature-256", prefix="sha256="),
    ShopifyVerification: HmacVerification(scheme="hmac", header="X-Shopify-Hmac-SHA256", encoding="base64"),
    SlackVerification: HmacVerification(
        scheme="hmac",
        header="X-Slack-Signature",
        prefix="v0=",
        timestamp_header="X-Slack-Request-Timestamp",
        signed="v0:{timestamp}:{body}",
    ),
}


@dataclass(frozen=True, slots=True)
class _Claim:
    offers: Sequence[str]
    expected: Callable[[str], Sequence[str]]
    """From a secret to what proves that the sender knows it."""
    rule: str
    """In words, for the answer to a sender whose proof does not hold."""


def verify(verification: Verification, secrets: Sequence[str], delivery: Delivery) -> None:
    """Raises SignatureInvalid unless the delivery proves that its sender knows one of `secrets`, newest first."""
    if isinstance(verification, NoVerification):
        return
    claim = _claim(verification, delivery)
    matches = [
        hmac.compare_digest(expected.encode(), offer.encode())
        for secret in filter(None, secrets)
        for expected in claim.expected(secret)
        for offer in claim.offers
    ]
    if not any(matches):
        raise SignatureInvalid(
            f"The delivery's proof does not match. It must be {claim.rule}; set the same secret on both sides, and "
            "sign the exact bytes that are sent."
        )


def check_secret(verification: Verification, secret: str) -> None:
    """Raises InvalidParameter where the scheme cannot use such a secret; never repeats it."""
    if "\0" in secret:
        raise InvalidParameter("A secret cannot hold a NUL character. Send it as text.")
    if isinstance(verification, StandardVerification) and not _standard_key(secret):
        raise InvalidParameter(
            "A secret of the scheme 'standard' is 'whsec_' and base64. Copy it whole from the sender's settings."
        )


def hidden_names(verification: Verification) -> tuple[str | None, str | None]:
    """The header (in lower case) and the query parameter that hold the proof, and so are not handed on."""
    rule = _PRESETS.get(type(verification), verification)
    if isinstance(rule, HmacVerification):
        return rule.header.lower(), None
    if isinstance(rule, ApiKeyVerification):
        return (rule.name.lower(), None) if rule.place == "header" else (None, rule.name)
    return None, None


def reads_url(verification: Verification) -> bool:
    """Whether the scheme signs the URL; putting one together is a good part of the work for a delivery."""
    return isinstance(verification, TwilioVerification | HmacVerification)


def _claim(verification: Verification, delivery: Delivery) -> _Claim:  # noqa: PLR0911 -- one line for each scheme
    match _PRESETS.get(type(verification), verification):
        case HmacVerification() as rule:
            return _hmac(rule, delivery)
        case StripeVerification() as rule:
            return _stripe(rule, delivery)
        case StandardVerification() as rule:
            return _standard(rule, delivery)
        case TwilioVerification() as rule:
            return _twilio(rule, delivery)
        case BearerVerification():
            return _authorization("Bearer", delivery, lambda secret: secret)
        case BasicVerification(username=username):
            return _authorization("Basic", delivery, lambda secret: _base64(f"{username}:{secret}".encode()))
        case ApiKeyVerification(place=place, name=name):
            given = (delivery.header if place == "header" else delivery.parameter)(name)
            return _Claim([given], lambda secret: [secret], f"the secret in the {place} {name}")
    raise AssertionError(verification)


def _hmac(rule: HmacVerification, delivery: Delivery) -> _Claim:
    given = delivery.header(rule.header)
    offer = given[: len(rule.prefix)] + given[len(rule.prefix) :].lower() if rule.encoding == "hex" else given
    stamp = None
    if rule.timestamp_header is not None:
        stamp = delivery.fresh(delivery.header(rule.timestamp_header), rule.tolerance_seconds)
    content = _content(rule.signed, delivery, stamp or "")

    def expected(secret: str) -> list[str]:
        digest = hmac.digest(secret.encode(), content, rule.algorithm)
        return [rule.prefix + (digest.hex() if rule.encoding == "hex" else _base64(digest))]

    words = f"'{rule.prefix}' and the {rule.encoding} HMAC-{rule.algorithm.upper()} of '{rule.signed}' in {rule.header}"
    return _Claim([offer], expected, words)


def _content(template: str, delivery: Delivery, timestamp: str) -> bytes:
    values = {
        "body": delivery.body,
        "timestamp": timestamp.encode(),
        "method": delivery.method.encode(),
        "url": delivery.url.encode(),
    }
    if template == "{body}":
        return delivery.body
    # Splitting by a pattern with one group gives text and names in turn.
    parts = PLACEHOLDER.split(template)
    return b"".join(values[part] if index % 2 else part.encode() for index, part in enumerate(parts))


def _stripe(rule: StripeVerification, delivery: Delivery) -> _Claim:
    pairs = [part.partition("=")[::2] for part in delivery.header("Stripe-Signature").split(",")]
    stamps = [value for key, value in pairs if key == "t"]
    stamp = delivery.fresh(stamps[0] if len(stamps) == 1 else "", rule.tolerance_seconds)
    content = f"{stamp}.".encode() + delivery.body
    return _Claim(
        [value for key, value in pairs if key == "v1"][:_MAX_OFFERS],
        lambda secret: [hmac.digest(secret.encode(), content, "sha256").hex()],
        "the hex HMAC-SHA256 of '<t>.<body>' as v1 in Stripe-Signature",
    )


def _standard(rule: StandardVerification, delivery: Delivery) -> _Claim:
    offers = delivery.header("webhook-signature").split(" ")[:_MAX_OFFERS]
    stamp = delivery.fresh(delivery.header("webhook-timestamp"), rule.tolerance_seconds)
    content = f"{delivery.header('webhook-id')}.{stamp}.".encode() + delivery.body

    def expected(secret: str) -> list[str]:
        key = _standard_key(secret)
        return ["v1," + _base64(hmac.digest(key, content, "sha256"))] if key else []

    return _Claim(
        offers, expected, "'v1,' and the base64 HMAC-SHA256 of '<id>.<timestamp>.<body>' in webhook-signature"
    )


def _standard_key(secret: str) -> bytes:
    try:
        return b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return b""


def _twilio(rule: TwilioVerification, delivery: Delivery) -> _Claim:
    address, _, query = delivery.url.partition("?")
    url = (rule.url or address) + (f"?{query}" if query else "")
    digests = [value for key, value in delivery.query if key == "bodySHA256"]
    if digests:
        same = hmac.compare_digest(digests[0].encode(), hashlib.sha256(delivery.body).hexdigest().encode())
        contents = [each.encode() for each in _with_and_without_port(url)] if same and len(digests) == 1 else []
    else:
        fields = "".join(key + value for key, value in _form(delivery))
        contents = [(each + fields).encode() for each in _with_and_without_port(url)]
    return _Claim(
        [delivery.header("X-Twilio-Signature")],
        lambda secret: [_base64(hmac.digest(secret.encode(), content, "sha1")) for content in contents],
        "the base64 HMAC-SHA1 of the URL and the sorted form fields in X-Twilio-Signature (behind a proxy, set 'url')",
    )


def _form(delivery: Delivery) -> list[tuple[str, str]]:
    """Sorted by name, then value, each pair once: as Twilio's own libraries do.

    A body that is no form is a mistake where no bodySHA256 covers it, so that it must be empty or a form.
    """
    try:
        text = delivery.body.decode()
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=_MAX_FORM_FIELDS, errors="strict"
        )
    except ValueError:
        raise SignatureInvalid(
            "The delivery's body is neither a form nor covered by bodySHA256, so Twilio's signature does not prove it."
        ) from None
    return sorted(set(pairs))


def _with_and_without_port(url: str) -> list[str]:
    """Twilio signs the port of some calls and not of others."""
    try:
        parts = urlsplit(url)
        given = parts.port
    except ValueError:  # a Host header that is no authority
        return []
    bare = parts.netloc.removesuffix(f":{given}")
    port = given or _DEFAULT_PORTS.get(parts.scheme)
    return [parts._replace(netloc=netloc).geturl() for netloc in (bare, f"{bare}:{port}")]


def _authorization(kind: str, delivery: Delivery, credentials: Callable[[str], str]) -> _Claim:
    scheme, _, given = delivery.header("Authorization").partition(" ")
    offers = [given.strip()] if scheme.lower() == kind.lower() else []
    return _Claim(offers, lambda secret: [credentials(secret)], f"the credentials in Authorization: {kind} …")


def _base64(data: bytes) -> str:
    return b64encode(data).decode()

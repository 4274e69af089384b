"""The webhook trigger: what its config may say, and what it hands on."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias, get_args

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from shared.triggers.callers import networks
from shared.triggers.challenges import Challenge
from shared.triggers.reshaping import CustomResponse, check_expressions
from shared.triggers.signatures import NoVerification, Verification, hidden_names
from shared.triggers.signatures.schemes import HeaderName

Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
_PATH = re.compile(r"^[A-Za-z0-9_-]{1,128}\Z")
Path: TypeAlias = Annotated[str, StringConstraints(pattern=_PATH)]

_ORIGIN = re.compile(r"^(\*|https?://[a-z0-9.:\[\]-]{1,253})\Z")
CorsOrigin: TypeAlias = Annotated[str, StringConstraints(pattern=_ORIGIN)]

METHODS: list[str] = list(get_args(Method))
MAX_DELIVERY_ID = 200

_DELIVERED = frozenset({"input"})
_FINISHED = frozenset({"input", "result"})

_CREDENTIALS = frozenset({"authorization", "proxy-authorization", "cookie"})
_CREDENTIAL_WORDS = ("signature", "secret", "token", "password", "api-key", "apikey")

_DELIVERY_HEADERS = {
    "github": "X-GitHub-Delivery",
    "shopify": "X-Shopify-Webhook-Id",
    "standard": "webhook-id",
    "twilio": "I-Twilio-Idempotency-Token",
}
"""Where each scheme's senders put the id that stays the same when they send again."""

_DELIVERY_MEMBERS = {"slack": "event_id", "stripe": "id"}
"""The same in the body, for senders that have no header for it."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WebhookTriggerConfig(_Model):
    """Config of a trigger of type `webhook`. The signing secret is not part of it; it is kept encrypted."""

    path: Path | None = Field(
        default=None, description="The last part of the URL; an unguessable one is minted if absent."
    )
    methods: list[Method] = Field(default=["POST"], min_length=1, max_length=5)
    verification: Verification = Field(default_factory=NoVerification)
    allowed_ips: list[str] = Field(
        default=[],
        max_length=256,
        description="Addresses and CIDRs that may deliver; empty: any. Behind proxies, set MILLRACE_TRUSTED_PROXIES.",
    )
    max_body_bytes: int | None = Field(
        default=None, ge=1, description="The largest body; at most, and by default, MILLRACE_MAX_BODY_BYTES."
    )
    cors_origins: list[CorsOrigin] = Field(
        default=[], max_length=64, description="Origins whose pages may deliver, or `*`; empty: none."
    )
    challenge: Challenge | None = Field(
        default=None, description="The handshake that the sender asks for; Slack's needs only the scheme `slack`."
    )
    delivery_id_header: HeaderName | None = Field(
        default=None,
        description="The header that names a delivery. The same delivery starts nothing twice. By default the one of"
        " the scheme: X-GitHub-Delivery, X-Shopify-Webhook-Id, webhook-id, I-Twilio-Idempotency-Token, the `id` of a"
        " Stripe event, the `event_id` of a Slack event.",
    )
    filter: str | None = Field(
        default=None,
        max_length=10_000,
        pattern=r"^\{%[\s\S]*%\}$",
        description="A JSONata expression over `$input`; a delivery for which it is not true starts nothing.",
    )
    transform: Any = Field(
        default=None,
        description="JSON with JSONata expressions over `$input` = {body, headers, query, method}; it becomes the"
        " workflow's input. By default `$input` itself.",
    )
    respond: Literal["accepted", "finished"] = Field(
        default="accepted",
        description="`accepted`: 202 with the execution's id at once. `finished`: 200 with its output once it has"
        " succeeded, 502 once it has failed, 202 if it takes longer than `respond_within_seconds`.",
    )
    respond_within_seconds: int = Field(default=25, ge=1, le=28)

    response: CustomResponse | None = Field(
        default=None, description="What `respond: finished` answers in place of 200 and the output as JSON."
    )

    @model_validator(mode="after")
    def _response_is_waited_for(self) -> "WebhookTriggerConfig":
        if self.response is not None and self.respond != "finished":
            raise ValueError("'response' is answered once the execution has finished; set 'respond' to 'finished'")
        return self

    @field_validator("allowed_ips")
    @classmethod
    def _are_networks(cls, given: list[str]) -> list[str]:
        networks(tuple(given))
        return given

    def check_expressions(self) -> None:
        """Raises ValueError for an expression that cannot work. Only for storing: it loads the engine."""
        check_expressions("filter", self.filter, _DELIVERED)
        check_expressions("transform", self.transform, _DELIVERED)
        if self.response is not None:
            check_expressions("response", self.response.model_dump(), _FINISHED)

    @property
    def needs_secret(self) -> bool:
        """Whether deliveries have to prove that they know a secret."""
        return not isinstance(self.verification, NoVerification)

    def delivery_id(self, headers: Mapping[str, str], body: Any = None) -> str | None:
        """The sender's id of this delivery, where it is known and present; a long one as its digest.

        `headers` ignore case; `body` is the parsed body, in which some schemes have the id.
        """
        given: Any = None
        scheme = self.verification.scheme
        if name := self.delivery_id_header or _DELIVERY_HEADERS.get(scheme):
            given = headers.get(name)
        elif isinstance(body, dict):
            given = body.get(_DELIVERY_MEMBERS.get(scheme, ""))
        if not isinstance(given, str):
            return None
        if len(given) > MAX_DELIVERY_ID:
            return f"sha256:{hashlib.sha256(given.encode()).hexdigest()}"
        return given or None

    @property
    def delivery_id_in_body(self) -> bool:
        """Whether `delivery_id` reads the body. Such senders change other members of it when they send again."""
        return self.delivery_id_header is None and self.verification.scheme in _DELIVERY_MEMBERS


def config_of(stored: dict[str, Any]) -> WebhookTriggerConfig:
    """The config of a stored registration, parsed once for all deliveries until it changes; not to be changed."""
    return _parsed(orjson.dumps(stored))


@lru_cache(maxsize=4096)
def _parsed(stored: bytes) -> WebhookTriggerConfig:
    return WebhookTriggerConfig.model_validate_json(stored)


def is_path(text: str) -> bool:
    """Whether a webhook can be registered at `text`, and so whether it is worth a look in the store."""
    return _PATH.fullmatch(text) is not None


def webhook_input(
    verification: Verification,
    *,
    method: str,
    headers: Iterable[tuple[str, str]],
    query: Iterable[tuple[str, str]],
    body: Any,
) -> dict[str, Any]:
    """The workflow's input for a delivery: `{"body", "headers", "query", "method"}`.

    Header names are in lower case; credentials (Authorization, cookies, signatures, tokens, the trigger's own secret)
    are left out, because the input is kept and shown. What comes several times: headers are joined by `, `, query
    parameters become a list.
    """
    signature, parameter = hidden_names(verification)
    kept: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        if key != signature and not is_credential(key):
            kept[key] = f"{kept[key]}, {value}" if key in kept else value
    return {
        "body": body,
        "headers": kept,
        "query": grouped(pair for pair in query if pair[0] != parameter),
        "method": method,
    }


def is_credential(header: str) -> bool:
    """Whether a header (in lower case) may hold something that must not be kept."""
    return header in _CREDENTIALS or any(word in header for word in _CREDENTIAL_WORDS)


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, str | list[str]]:
    """Pairs as an object; a name that comes several times has a list."""
    result: dict[str, str | list[str]] = {}
    for name, value in pairs:
        had = result.get(name)
        if had is None:
            result[name] = value
        else:
            result[name] = [*had, value] if isinstance(had, list) else [had, value]
    return result

"""What a webhook's config may say of how deliveries are proved. The secrets are not part of it: they are encrypted."""

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

HeaderName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")]
Tolerance: TypeAlias = Annotated[int, Field(ge=1, le=86_400)]

TOLERANCE_SECONDS = 300
"""What Stripe, Slack and Standard Webhooks advise."""

PLACEHOLDER = re.compile(r"\{(body|timestamp|method|url)\}")


class _Scheme(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NoVerification(_Scheme):
    """Nothing is proved: whoever knows the path may start the workflow; a minted path cannot be guessed."""

    scheme: Literal["none"] = "none"


class GitHubVerification(_Scheme):
    """HMAC-SHA256 of the body, hex, as `sha256=…` in X-Hub-Signature-256.

    Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """

    scheme: Literal["github"]


class ShopifyVerification(_Scheme):
    """HMAC-SHA256 of the body, base64, in X-Shopify-Hmac-SHA256.

    Source: https://shopify.dev/docs/apps/build/webhooks/subscribe/https#step-2-validate-the-origin-of-your-webhook
    """

    scheme: Literal["shopify"]


class SlackVerification(_Scheme):
    """HMAC-SHA256 of `v0:<timestamp>:<body>`, hex, as `v0=…` in X-Slack-Signature.

    Source: https://api.slack.com/authentication/verifying-requests-from-slack
    """

    scheme: Literal["slack"]


class StripeVerification(_Scheme):
    """HMAC-SHA256 of `<t>.<body>`, hex, as one `v1=…` of Stripe-Signature.

    Source: https://docs.stripe.com/webhooks#verify-manually
    """

    scheme: Literal["stripe"]
    tolerance_seconds: Tolerance = TOLERANCE_SECONDS


class StandardVerification(_Scheme):
    """HMAC-SHA256 of `<webhook-id>.<webhook-timestamp>.<body>`, base64, as one `v1,…` of webhook-signature.

    Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """

    scheme: Literal["standard"]
    tolerance_seconds: Tolerance = TOLERANCE_SECONDS


class TwilioVerification(_Scheme):
    """HMAC-SHA1 of the URL and the sorted form fields, base64, in X-Twilio-Signature; of JSON, bodySHA256 is signed.

    Source: https://www.twilio.com/docs/usage/security#validating-requests
    """

    scheme: Literal["twilio"]
    url: str | None = Field(
        default=None,
        max_length=2_048,
        pattern=r"^https?://[^?#\s]+$",
        description="The webhook's URL as Twilio calls it, without its query; needed behind a tunnel or a proxy that"
        " changes scheme or host. By default the URL under which the delivery arrived.",
    )


class HmacVerification(_Scheme):
    """An HMAC under the trigger's secret, in a header, after a fixed prefix."""

    scheme: Literal["hmac"]
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    header: HeaderName = "X-Signature"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = Field(default="", max_length=32, description="What comes before the digest, such as `sha256=`.")
    timestamp_header: HeaderName | None = Field(
        default=None, description="The header with the Unix time (seconds) of signing."
    )
    tolerance_seconds: Tolerance = TOLERANCE_SECONDS
    signed: str = Field(
        default="{body}",
        max_length=256,
        description="What is signed: text with `{body}` and, where wanted, `{timestamp}`, `{method}`, `{url}`.",
    )

    @model_validator(mode="after")
    def _signs_what_it_reads(self) -> "HmacVerification":
        named = set(PLACEHOLDER.findall(self.signed))
        if "body" not in named:
            raise ValueError("'signed' must hold {body}; else any body passes under one signature")
        if ("timestamp" in named) != (self.timestamp_header is not None):
            raise ValueError("a timestamp_header and {timestamp} in 'signed' belong together: one alone proves nothing")
        return self


class BearerVerification(_Scheme):
    """The secret as `Authorization: Bearer …` (RFC 6750 §2.1)."""

    scheme: Literal["bearer"]


class BasicVerification(_Scheme):
    """The secret as the password of `Authorization: Basic …` (RFC 7617)."""

    scheme: Literal["basic"]
    username: str = Field(min_length=1, max_length=128, pattern=r"^[^:\x00-\x1f\x7f]+$")


class ApiKeyVerification(_Scheme):
    """The secret as the value of a header or of a query parameter of any name."""

    scheme: Literal["api_key"]
    place: Literal["header", "query"] = "header"
    name: HeaderName = "X-Api-Key"


Verification: TypeAlias = Annotated[
    NoVerification
    | GitHubVerification
    | ShopifyVerification
    | SlackVerification
    | StripeVerification
    | StandardVerification
    | TwilioVerification
    | HmacVerification
    | BearerVerification
    | BasicVerification
    | ApiKeyVerification,
    Field(discriminator="scheme"),
]

"""How a webhook delivery proves where it comes from: schemes, and their one check."""

from shared.triggers.signatures.delivery import Delivery
from shared.triggers.signatures.schemes import (
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
from shared.triggers.signatures.verify import check_secret, hidden_names, reads_url, verify

__all__ = [
    "ApiKeyVerification",
    "BasicVerification",
    "BearerVerification",
    "Delivery",
    "GitHubVerification",
    "HmacVerification",
    "NoVerification",
    "ShopifyVerification",
    "SlackVerification",
    "StandardVerification",
    "StripeVerification",
    "TwilioVerification",
    "Verification",
    "check_secret",
    "hidden_names",
    "reads_url",
    "verify",
]

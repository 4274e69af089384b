"""The web application firewall in front of the API: what is refused without knowing a workflow.

WAF sees the first 64 KB of a body at most, and the doors take a megabyte: a large body is told by the length that its
request declares, and one that declares none by the function. Bodies carry whatever authors and senders write, attacks
in examples and prompts included, so that rules that look into them count and block nothing. Deliveries to webhooks are
held to the rate and the length only.
Sources: https://docs.aws.amazon.com/waf/latest/developerguide/web-acl-setting-body-inspection-limit.html,
https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import aws_wafv2 as waf
from constructs import Construct

Acl = waf.CfnWebACL

TOO_LONG = r"^0*(104857[7-9]|10485[89]\d|1048[6-9]\d{2}|1049\d{3}|10[5-9]\d{4}|1[1-9]\d{5}|[2-9]\d{6}|[1-9]\d{7,})$"
"""A Content-Length above 1 MiB, the largest body that a door takes."""
BULK = r"/bulk(/check)?$"
"""Where larger bodies are taken: the inputs of bulk runs."""
WEBHOOKS = r"^(/[a-z]+)?/webhooks/"
"""With and without the stage in front."""
SIGN_IN = r"^(/[a-z]+)?/api/auth/"
SIGN_IN_BYTES = 8_192
"""Passwords and tokens need less; whoever signs in is not known yet."""

_LARGE = {
    "type": "https://millrace.dev/errors/request.too_large",
    "title": "Content Too Large",
    "status": 413,
    "code": "request.too_large",
    "detail": "The body is larger than this address takes. Send less, or a link to the data.",
}
_MANAGED: Mapping[str, Sequence[str]] = {
    "AWSManagedRulesAmazonIpReputationList": (),
    "AWSManagedRulesKnownBadInputsRuleSet": ("JavaDeserializationRCE_BODY", "Log4JRCE_BODY", "ReactJSRCE_BODY"),
    "AWSManagedRulesCommonRuleSet": (
        "SizeRestrictions_BODY",
        "EC2MetaDataSSRF_BODY",
        "GenericLFI_BODY",
        "GenericRFI_BODY",
        "CrossSiteScripting_BODY",
        "SizeRestrictions_QUERYSTRING",  # what providers of sign-in send back is long
    ),
}
"""Rule groups of AWS, each with its rules that only count."""


_TOO_LARGE = Acl.BlockActionProperty(
    custom_response=Acl.CustomResponseProperty(response_code=413, custom_response_body_key="Large")
)


def firewall(scope: Construct, *, requests_per_ip: int) -> waf.CfnWebACL:
    """`requests_per_ip` in five minutes. A rule that blocks answers 403, the ones about bodies 413."""
    rate = Acl.RateBasedStatementProperty(aggregate_key_type="IP", limit=requests_per_ip)
    large = _all(_matches(TOO_LONG, {"single_header": {"Name": "content-length"}}), _not(_matches(BULK)))
    own = {
        "Rate": (Acl.StatementProperty(rate_based_statement=rate), {}),
        "Large": (large, _TOO_LARGE),
        "SignIn": (_all(_matches(SIGN_IN), _longer(SIGN_IN_BYTES)), _TOO_LARGE),
    }
    rules = [_own(name, number, *rule) for number, (name, rule) in enumerate(own.items())]
    rules += [_managed(name, number, counted) for number, (name, counted) in enumerate(_MANAGED.items(), len(own))]
    body = Acl.CustomResponseBodyProperty(content_type="APPLICATION_JSON", content=json.dumps(_LARGE))
    return Acl(
        scope,
        "Firewall",
        scope="REGIONAL",
        default_action=Acl.DefaultActionProperty(allow={}),
        visibility_config=_visible("Firewall"),
        custom_response_bodies={"Large": body},
        rules=rules,
    )


def _own(
    name: str, priority: int, statement: waf.CfnWebACL.StatementProperty, block: Any
) -> waf.CfnWebACL.RuleProperty:
    action = Acl.RuleActionProperty(block=block)
    return Acl.RuleProperty(
        name=name, priority=priority, action=action, statement=statement, visibility_config=_visible(name)
    )


def _managed(name: str, priority: int, counted: Sequence[str]) -> waf.CfnWebACL.RuleProperty:
    counting = Acl.RuleActionProperty(count={})
    group = Acl.ManagedRuleGroupStatementProperty(
        vendor_name="AWS",
        name=name,
        scope_down_statement=_not(_matches(WEBHOOKS)),
        rule_action_overrides=[Acl.RuleActionOverrideProperty(name=each, action_to_use=counting) for each in counted],
    )
    return Acl.RuleProperty(
        name=name,
        priority=priority,
        override_action=Acl.OverrideActionProperty(none={}),
        statement=Acl.StatementProperty(managed_rule_group_statement=group),
        visibility_config=_visible(name),
    )


def _matches(pattern: str, field: Any = None) -> waf.CfnWebACL.StatementProperty:
    """Of the path, where no other field is named."""
    matching = Acl.RegexMatchStatementProperty(
        regex_string=pattern,
        field_to_match=Acl.FieldToMatchProperty(**(field or {"uri_path": {}})),
        text_transformations=_AS_IT_IS,
    )
    return Acl.StatementProperty(regex_match_statement=matching)


def _longer(size: int) -> waf.CfnWebACL.StatementProperty:
    """A body that is larger, or that WAF does not see the end of."""
    field = Acl.FieldToMatchProperty(body=Acl.BodyProperty(oversize_handling="MATCH"))
    longer = Acl.SizeConstraintStatementProperty(
        comparison_operator="GT", size=size, field_to_match=field, text_transformations=_AS_IT_IS
    )
    return Acl.StatementProperty(size_constraint_statement=longer)


def _all(*statements: waf.CfnWebACL.StatementProperty) -> waf.CfnWebACL.StatementProperty:
    return Acl.StatementProperty(and_statement=Acl.AndStatementProperty(statements=list(statements)))


def _not(statement: waf.CfnWebACL.StatementProperty) -> waf.CfnWebACL.StatementProperty:
    return Acl.StatementProperty(not_statement=Acl.NotStatementProperty(statement=statement))


def _visible(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    return Acl.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
    )


_AS_IT_IS = [Acl.TextTransformationProperty(priority=0, type="NONE")]

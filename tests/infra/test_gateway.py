"""What API Gateway and its firewall promise, in every environment."""

import json
import re
from pathlib import Path
from typing import Any

from shared.errors import Unauthenticated
from shared.settings import MAX_BODY_BYTES
from tests.infra.conftest import Synthesised


def test_the_api_is_throttled_logged_and_behind_a_firewall_where_there_is_one(synthesised: Synthesised):
    (stage,) = synthesised.resources("AWS::ApiGateway::Stage")
    firewalls = synthesised.resources("AWS::WAFv2::WebACLAssociation")

    assert stage["MethodSettings"][0]["ThrottlingRateLimit"] > 0
    assert "AccessLogSetting" in stage
    assert len(firewalls) == (0 if synthesised.name == "localstack" else 1)


def test_what_is_no_text_reaches_functions_as_it_is(synthesised: Synthesised):
    (rest,) = synthesised.resources("AWS::ApiGateway::RestApi")

    assert rest["BinaryMediaTypes"] == ["*/*"]


def test_a_name_of_ones_own_leads_to_the_stage_and_it_is_said_where_the_dns_has_to_point(tmp_path: Path):
    certificate = "arn:aws:acm:us-east-1:123456789012:certificate/1"
    made = Synthesised("dev", tmp_path, {"domain_name": "api.example.org", "certificate_arn": certificate})
    template = made.templates["api"]
    (name,) = [key for key, each in template["Resources"].items() if each["Type"] == "AWS::ApiGateway::DomainName"]
    (mapping,) = made.resources("AWS::ApiGateway::BasePathMapping")

    assert template["Resources"][name]["Properties"]["RegionalCertificateArn"] == certificate
    assert mapping["DomainName"] == {"Ref": name}
    assert "Stage" in mapping
    assert template["Outputs"]["DomainTarget"]["Value"] == {"Fn::GetAtt": [name, "RegionalDomainName"]}


def test_every_request_reaches_a_function_and_none_is_answered_by_a_mock(synthesised: Synthesised):
    methods = synthesised.resources("AWS::ApiGateway::Method", "api")
    root = [each["HttpMethod"] for each in methods if "Fn::GetAtt" in each["ResourceId"]]

    assert root == ["ANY"]
    assert {each["Integration"]["Type"] for each in methods} == {"AWS_PROXY"}


def rules_of(synthesised: Synthesised) -> dict[str, Any]:
    (acl,) = synthesised.resources("AWS::WAFv2::WebACL", "api")
    return {each["Name"]: each for each in acl["Rules"]}


def patterns(statement: Any) -> list[str]:
    """Every regular expression of a rule's statement."""
    return re.findall(r'"RegexString": ("(?:[^"\\]|\\.)*")', json.dumps(statement))


def test_rules_that_look_into_bodies_block_nothing_and_webhooks_meet_no_managed_rule(synthesised: Synthesised):
    if synthesised.name == "localstack":
        assert synthesised.resources("AWS::WAFv2::WebACL") == []
        return
    managed = [each["Statement"].get("ManagedRuleGroupStatement") for each in rules_of(synthesised).values()]

    for group in filter(None, managed):
        (pattern,) = map(json.loads, patterns(group["ScopeDownStatement"]["NotStatement"]))
        assert [bool(re.search(pattern, path)) for path in ("/live/webhooks/x", "/webhooks/x", "/api/x/webhooks/")] == [
            True,
            True,
            False,
        ]
        overridden = {each["Name"] for each in group.get("RuleActionOverrides", ())}
        assert all(each["ActionToUse"] == {"Count": {}} for each in group.get("RuleActionOverrides", ()))
        assert (
            len([each for each in overridden if each.endswith("_BODY")])
            == {
                "AWSManagedRulesAmazonIpReputationList": 0,
                "AWSManagedRulesKnownBadInputsRuleSet": 3,
                "AWSManagedRulesCommonRuleSet": 5,
            }[group["Name"]]
        )
    assert len(list(filter(None, managed))) == 3


def test_a_body_above_what_the_doors_take_is_blocked_by_its_declared_length(synthesised: Synthesised):
    if synthesised.name == "localstack":
        return
    large = rules_of(synthesised)["Large"]
    lengths, bulk = map(json.loads, patterns(large["Statement"]))
    border = MAX_BODY_BYTES

    assert large["Action"]["Block"]["CustomResponse"]["ResponseCode"] == 413
    assert '"SingleHeader": {"Name": "content-length"}' in json.dumps(large)
    for length in (0, 1, 999_999, border - 1, border, border // 10):
        assert not re.search(lengths, str(length))
    for length in (border + 1, border + 2, 1_048_580, 1_048_999, 1_099_999, 1_100_000, 9_999_999, 10**7, 10**12):
        assert re.search(lengths, str(length)), length
        assert re.search(lengths, f"00{length}")
    assert re.search(bulk, "/live/api/workflows/1/bulk")
    assert re.search(bulk, "/api/workflows/1/bulk/check")
    assert not re.search(bulk, "/api/bulk/1/items")


def test_below_api_only_signing_in_and_preflights_come_without_credentials(synthesised: Synthesised):
    template = synthesised.templates["api"]["Resources"]
    paths: dict[str, str] = {}

    def path(name: str) -> str:
        properties = template[name]["Properties"]
        parent = properties["ParentId"].get("Ref")
        return paths.setdefault(name, (path(parent) if parent else "") + f"/{properties['PathPart']}")

    asked = {
        (path(each["ResourceId"]["Ref"]), each["HttpMethod"]): each.get("RequestParameters")
        for each in synthesised.resources("AWS::ApiGateway::Method", "api")
        if "Ref" in each["ResourceId"]
    }

    assert asked == {
        ("/{proxy+}", "ANY"): None,
        ("/api/auth/{proxy+}", "ANY"): None,
        ("/api/{proxy+}", "OPTIONS"): None,
        ("/api/{proxy+}", "ANY"): {"method.request.header.Authorization": True},
        ("/webhooks/{path}", "ANY"): None,
        ("/webhooks/{path}/test", "ANY"): None,
    }
    (answer,) = synthesised.resources("AWS::ApiGateway::GatewayResponse", "api")
    assert (answer["ResponseType"], answer["StatusCode"]) == ("BAD_REQUEST_PARAMETERS", "401")
    assert json.loads(answer["ResponseTemplates"]["application/json"])["code"] == Unauthenticated.code

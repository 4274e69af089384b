"""What the templates promise, in every environment."""

import json
import re
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3

from infra.application import check
from infra.config import ContextInvalid, environment
from shared.adapters.telemetry.observed import Metric
from statemachines.plan.prices import price_list
from tests.infra.conftest import ROOT, STORES, Synthesised, as_list, statements

REPEAT = ROOT / "statemachines" / "definitions" / "repeat.asl.json"
NODES = ("agent", "approval", "http", "tool")
FUNCTIONS = {
    "api",
    "webhook",
    *NODES,
    "dispatch",
    "admit",
    "complete",
    "event",
    "schedule",
    "poll",
    "bulk",
    "housekeeping",
    "migrate",
}


def test_cdk_nag_finds_nothing_that_is_not_accepted_with_a_reason(synthesised: Synthesised):
    found = [
        (violation["ruleName"], [each["constructPath"] for each in violation["violatingConstructs"]])
        for report in synthesised.report["pluginReports"]
        for violation in report["violations"]
    ]

    assert found == []


def test_a_bucket_that_anybody_may_read_unencrypted_is_found(tmp_path: Path):
    app = cdk.App(outdir=str(tmp_path))
    s3.Bucket(cdk.Stack(app, "careless"), "Bucket")
    check(app)

    with pytest.raises(RuntimeError, match="AwsSolutions-S10"):
        app.synth()


def test_every_function_is_python_on_arm_traced_and_logs_to_a_group_that_forgets(synthesised: Synthesised):
    functions = synthesised.resources("AWS::Lambda::Function")
    groups = {group["LogGroupName"]: group for group in synthesised.resources("AWS::Logs::LogGroup", "functions")}

    prefix = f"millrace-{synthesised.name}"
    assert {each["FunctionName"] for each in functions} == {f"{prefix}-{name}" for name in FUNCTIONS}
    for function in functions:
        assert function["Runtime"] == "python3.13"
        assert function["Architectures"] == ["arm64"]
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert groups[f"/aws/lambda/{function['FunctionName']}"]["RetentionInDays"] in (30, 90)


def test_no_two_functions_share_a_role(synthesised: Synthesised):
    roles = [json.dumps(function["Role"]) for function in synthesised.resources("AWS::Lambda::Function")]

    assert len(set(roles)) == len(roles)


def test_no_policy_allows_every_action_of_a_service(synthesised: Synthesised):
    policies = synthesised.resources("AWS::IAM::Policy") + synthesised.resources("AWS::IAM::ManagedPolicy")
    actions = [action for policy in policies for each in statements(policy) for action in as_list(each["Action"])]

    assert actions
    assert [action for action in actions if "*" in action] == []


def test_machines_invoke_the_node_functions_and_no_other(synthesised: Synthesised):
    (role,) = [r for r in synthesised.resources("AWS::IAM::Role", "orchestration") if "RoleName" in r]
    (policy,) = role["Policies"]
    invoked = [
        resource
        for each in statements(policy)
        if "lambda:InvokeFunction" in as_list(each["Action"])
        for resource in as_list(each["Resource"])
    ]

    assert role["PermissionsBoundary"]
    assert sorted(name for arn in invoked for name in NODES if name in json.dumps(arn)) == list(NODES)


@pytest.mark.parametrize(("name", "function"), [("bulk", "bulk"), ("replay", "event")])
def test_a_machine_that_repeats_a_function_may_do_that_and_hand_over_to_itself(
    synthesised: Synthesised, name: str, function: str
):
    machines = synthesised.resources("AWS::StepFunctions::StateMachine", "orchestration")
    (machine,) = [each for each in machines if each["StateMachineName"] == f"millrace-{synthesised.name}_{name}"]
    role = machine["RoleArn"]["Fn::GetAtt"][0]
    policies = synthesised.resources("AWS::IAM::Policy", "orchestration")
    (policy,) = [each for each in policies if each["Roles"] == [{"Ref": role}]]
    named = {
        action: json.dumps(each["Resource"])
        for each in statements(policy)
        for action in as_list(each["Action"])
        if each["Resource"] != "*"
    }

    assert json.loads(machine["DefinitionString"]) == json.loads(REPEAT.read_text())
    assert function in json.dumps(machine["DefinitionSubstitutions"]["FunctionArn"])
    assert (machine["LoggingConfiguration"]["Level"], machine["TracingConfiguration"]) == ("ALL", {"Enabled": True})
    assert set(named) == {"lambda:InvokeFunction", "states:StartExecution"}
    assert function in named["lambda:InvokeFunction"]
    assert f":stateMachine:millrace-{synthesised.name}_{name}" in named["states:StartExecution"]


def test_the_api_starts_these_machines_and_no_other_and_nobody_changes_them(synthesised: Synthesised):
    """Their names are outside of what the API may publish, and of what `complete` is told about."""
    policies = [p for p in synthesised.resources("AWS::IAM::Policy", "functions") if "api" in json.dumps(p["Roles"])]
    found = [each for policy in policies for each in statements(policy)]
    (starting,) = [each for each in found if "states:StartExecution" in as_list(each["Action"])]
    (publishing,) = [each for each in found if "states:UpdateStateMachine" in as_list(each["Action"])]

    prefix = f"millrace-{synthesised.name}"
    started = sorted(re.findall(r":stateMachine:([\w*-]+)", json.dumps(starting["Resource"])))
    assert started == [f"{prefix}_bulk", f"{prefix}_replay"]
    assert re.findall(r":stateMachine:([\w*-]+)", json.dumps(publishing["Resource"])) == [f"{prefix}-*"]


def test_only_the_api_passes_roles_each_to_the_service_that_takes_it(synthesised: Synthesised):
    passing = [
        (policy, each)
        for policy in synthesised.resources("AWS::IAM::Policy")
        for each in statements(policy)
        if "iam:PassRole" in as_list(each["Action"])
    ]

    assert all("api" in json.dumps(policy["Roles"]) for policy, _ in passing)
    taken = {
        each["Condition"]["StringEquals"]["iam:PassedToService"]: json.dumps(each["Resource"]) for _, each in passing
    }
    assert set(taken) == {"states.amazonaws.com", "scheduler.amazonaws.com"}
    assert len(passing) == 2
    assert f"millrace-{synthesised.name}-machines" in taken["states.amazonaws.com"]
    assert "SchedulerRole" in taken["scheduler.amazonaws.com"]


def test_stores_are_encrypted_with_the_projects_key_and_reached_from_functions_only(synthesised: Synthesised):
    (bucket,) = synthesised.resources("AWS::S3::Bucket", "data")
    encryption = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"]

    assert encryption["SSEAlgorithm"] == "aws:kms"
    for cluster in synthesised.resources("AWS::RDS::DBCluster"):
        assert cluster["StorageEncrypted"] is True
        assert cluster["DeletionProtection"] is (synthesised.name == "prod")
    for rule in synthesised.resources("AWS::EC2::SecurityGroupIngress", "data"):
        assert "SourceSecurityGroupId" in rule


def test_where_there_is_a_reader_functions_are_told_of_its_own_read_only_endpoint(synthesised: Synthesised):
    endpoints = synthesised.resources("AWS::RDS::DBProxyEndpoint")
    told = [
        each["Environment"]["Variables"].get("MILLRACE_DATABASE_READER_HOST")
        for each in synthesised.resources("AWS::Lambda::Function")
    ]

    if synthesised.name != "prod":
        assert endpoints == []
        assert not any(told)
        return
    ((endpoint,), (proxy,)) = endpoints, synthesised.resources("AWS::RDS::DBProxy")
    assert endpoint["TargetRole"] == "READ_ONLY"
    assert endpoint["VpcSecurityGroupIds"] == proxy["VpcSecurityGroupIds"]  # which lets in functions only
    assert len(synthesised.resources("AWS::RDS::DBInstance")) == 2
    assert all(told)


def test_functions_are_let_in_where_a_proxy_or_the_database_listens(synthesised: Synthesised):
    told = {
        each["Environment"]["Variables"].get("MILLRACE_DATABASE_PORT")
        for each in synthesised.resources("AWS::Lambda::Function")
    }
    let_in = [
        each["FromPort"]
        for each in synthesised.resources("AWS::EC2::SecurityGroupIngress", "data")
        if "Fn::ImportValue" in each["SourceSecurityGroupId"] and "Cache" not in json.dumps(each["GroupId"])
    ]

    assert told == {"5432" if synthesised.name == "prod" else None}
    if synthesised.name == "prod":
        assert let_in == [5432]  # where every proxy of PostgreSQL listens
    if synthesised.name == "dev":
        assert [port["Fn::GetAtt"][1] for port in let_in] == ["Endpoint.Port"]


def test_the_api_publishes_at_the_pace_of_the_environment(synthesised: Synthesised):
    paces = {
        each["FunctionName"]: each["Environment"]["Variables"]["MILLRACE_PUBLISH_BURST"]
        for each in synthesised.resources("AWS::Lambda::Function")
        if "MILLRACE_PUBLISH_BURST" in each["Environment"]["Variables"]
    }

    assert paces == {f"millrace-{synthesised.name}-api": "1000" if synthesised.name == "localstack" else "80"}


def test_an_idle_dev_database_pauses_and_production_keeps_what_it_has(synthesised: Synthesised):
    clusters = synthesised.resources("AWS::RDS::DBCluster")
    lowest = {"dev": [0], "prod": [0.5], "localstack": []}[synthesised.name]

    assert [cluster["ServerlessV2ScalingConfiguration"]["MinCapacity"] for cluster in clusters] == lowest
    kept = {"prod": "Retain"}.get(synthesised.name, "Delete")
    buckets = [r for r in synthesised.templates["data"]["Resources"].values() if r["Type"] == "AWS::S3::Bucket"]
    assert [bucket["DeletionPolicy"] for bucket in buckets] == [kept]


def test_the_plan_counts_the_memory_that_is_deployed(synthesised: Synthesised):
    deployed = {each["FunctionName"]: each["MemorySize"] for each in synthesised.resources("AWS::Lambda::Function")}
    planned = {name: each.memory_mb for name, each in price_list().assumptions.functions.items()}

    assert planned == {name: deployed[f"millrace-{synthesised.name}-{name}"] for name in NODES}


def test_every_alarm_tells_somebody(synthesised: Synthesised):
    alarms = synthesised.resources("AWS::CloudWatch::Alarm")

    assert len(alarms) > 20
    assert all(alarm["AlarmActions"] for alarm in alarms)


def measured(value: Any) -> set[tuple[str, str, str]]:
    """Namespace, name and function of the metrics of our own in a template's resource."""
    written = json.dumps(value).replace("\\", "").replace(" ", "")
    found = re.findall(r'"(millrace-\w+)","(\w+)","service","(\w+)"', written)
    stats = [each["MetricStat"]["Metric"] for each in value.get("Metrics", ()) if "MetricStat" in each]
    return {*found, *((each["Namespace"], each["MetricName"], each["Dimensions"][0]["Value"]) for each in stats)}


def test_dashboard_and_alarm_ask_for_the_metrics_that_functions_tell(synthesised: Synthesised):
    namespace = f"millrace-{synthesised.name}"
    alarms = [each for each in synthesised.resources("AWS::CloudWatch::Alarm") if "Metrics" in each]
    variables = [each["Environment"]["Variables"] for each in synthesised.resources("AWS::Lambda::Function")]

    assert {each["POWERTOOLS_METRICS_NAMESPACE"] for each in variables} == {namespace}
    assert alarms
    assert {name for alarm in alarms for _, name, _ in measured(alarm)} < {*Metric}
    if synthesised.name != "localstack":
        (dashboard,) = synthesised.resources("AWS::CloudWatch::Dashboard")
        shown = measured(dashboard)
        assert {(space, name) for space, name, _ in shown} == {(namespace, name) for name in Metric}
        assert {function for _, _, function in shown} < FUNCTIONS


@pytest.mark.parametrize(
    ("name", "context", "words"),
    [
        ("staging", {}, "must be one of dev, prod, localstack"),
        ("localstack", {}, "-c database_url="),
        ("dev", {"domain_name": "example.org"}, "go together"),
    ],
)
def test_a_context_that_cannot_be_deployed_says_what_to_give(name: str, context: dict[str, str], words: str):
    with pytest.raises(ContextInvalid, match=words):
        environment(name, context)


def test_stores_given_by_context_reach_the_functions():
    found = environment("localstack", STORES)

    assert (found.database_url, found.redis_url) == ("postgresql://given", "redis://given")

"""What the templates promise, in every environment."""

import json
import re
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3

from infra.application import check
from infra.config import ContextInvalid, environment, from_context
from infra.stacks.data import DataStack
from infra.stacks.network import NetworkStack
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


STORED = ("AWS::EC2::Subnet", "AWS::RDS::DBCluster", "AWS::RDS::DBInstance")


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


def test_machines_may_do_what_compiled_states_ask_for_and_their_boundary_is_no_wider(synthesised: Synthesised):
    """Redriving an execution redrives the iterations of its distributed maps, in the role's name."""
    (role,) = [r for r in synthesised.resources("AWS::IAM::Role", "orchestration") if "RoleName" in r]
    (boundary,) = synthesised.resources("AWS::IAM::ManagedPolicy", "orchestration")
    (policy,) = role["Policies"]
    named = {
        action: json.dumps(each["Resource"])
        for each in statements(policy)
        for action in as_list(each["Action"])
        if each["Resource"] != "*"
    }

    assert statements(policy) == statements(boundary)
    assert f":execution:millrace-{synthesised.name}-*/*" in named.pop("states:RedriveExecution")
    assert {*named} == {
        "lambda:InvokeFunction",
        *(f"states:{verb}Execution" for verb in ("Start", "Describe", "Stop")),
        *(f"events:{action}" for action in ("PutTargets", "PutRule", "DescribeRule")),
    }


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


def test_production_keeps_all_but_what_a_failed_deploy_made_and_elsewhere_nothing_stays(synthesised: Synthesised):
    """What stays of a failed deploy would have the name that the next one needs."""
    kinds = ("AWS::S3::Bucket", "AWS::Logs::LogGroup", "AWS::KMS::Key", "AWS::SecretsManager::Secret")
    kept = {
        (each["Type"], each["DeletionPolicy"], each["UpdateReplacePolicy"])
        for template in synthesised.templates.values()
        for name, each in template["Resources"].items()
        if each["Type"] in kinds and "DatabaseSecret" not in name  # which is no good without its database
    }

    policies = ("RetainExceptOnCreate", "Retain") if synthesised.name == "prod" else ("Delete", "Delete")
    assert kept == {(kind, *policies) for kind in kinds}


def test_every_log_is_forgotten_after_the_days_of_the_environment(synthesised: Synthesised):
    groups = synthesised.resources("AWS::Logs::LogGroup")

    assert len(groups) == len(FUNCTIONS) + (3 if synthesised.name == "localstack" else 4)  # machines, API, network
    assert {each["RetentionInDays"] for each in groups} == {90 if synthesised.name == "prod" else 30}


def test_the_plan_counts_the_memory_that_is_deployed(synthesised: Synthesised):
    deployed = {each["FunctionName"]: each["MemorySize"] for each in synthesised.resources("AWS::Lambda::Function")}
    planned = {name: each.memory_mb for name, each in price_list().assumptions.functions.items()}

    assert planned == {name: deployed[f"millrace-{synthesised.name}-{name}"] for name in NODES}


@pytest.mark.parametrize(
    ("name", "context", "words"),
    [
        ("staging", {}, "must be one of dev, prod, localstack"),
        ("localstack", {}, "-c database_url="),
        ("dev", {"domain_name": "example.org"}, "go together"),
        ("dev", {"postgres_version": "16"}, "is '16'; it must be a version of Aurora"),
        ("prod", {"availability_zones": "us-east-1b"}, "two or more zones"),
        ("dev", {"monthly_budget_usd": "a lot"}, "monthly_budget_usd is 'a lot'; it must be a whole number"),
        ("dev", {"monthly_budget_usd": 0}, "must be a whole number of 1 or more"),
    ],
)
def test_a_context_that_cannot_be_deployed_says_what_to_give(name: str, context: dict[str, Any], words: str):
    with pytest.raises(ContextInvalid, match=words):
        environment(name, context)


def test_zones_and_the_databases_version_can_be_given():
    found = environment("prod", {"availability_zones": "us-east-1b, us-east-1d", "postgres_version": "17.5"})
    app = cdk.App()

    network = NetworkStack(app, "network", environment=found)
    DataStack(app, "data", environment=found, network=network)

    templates = [app.synth().get_stack_by_name(each).template["Resources"].values() for each in ("network", "data")]
    made = {kind: [r["Properties"] for rs in templates for r in rs if r["Type"] == kind] for kind in STORED}
    assert {each["AvailabilityZone"] for each in made["AWS::EC2::Subnet"]} == {"us-east-1b", "us-east-1d"}
    assert [each["EngineVersion"] for each in made["AWS::RDS::DBCluster"]] == ["17.5"]
    assert [each["AutoMinorVersionUpgrade"] for each in made["AWS::RDS::DBInstance"]] == [False, False]


def test_stores_given_by_context_reach_the_functions():
    found = environment("localstack", STORES)

    assert (found.database_url, found.redis_url) == ("postgresql://given", "redis://given")


@pytest.mark.parametrize("dollars", ["70", 70])
def test_a_budget_is_given_by_context_on_the_command_line_or_in_a_file(dollars: str | int):
    app = cdk.App(context={"env": "dev", "monthly_budget_usd": dollars})

    assert from_context(app.node).monthly_budget_usd == 70

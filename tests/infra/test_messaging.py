"""What the templates promise of queues, events and schedules, in every environment."""

import json
from typing import Any

from shared.adapters.aws.watches import LATER_SECONDS
from shared.triggers.events import compile_pattern
from tests.infra.conftest import ROOT, Synthesised, as_list, statements


def test_each_queue_of_starts_gives_up_after_twenty_tries_and_dispatch_reports_single_failures(
    synthesised: Synthesised,
):
    queues = {queue["QueueName"]: queue for queue in synthesised.resources("AWS::SQS::Queue", "messaging")}
    sources = synthesised.resources("AWS::Lambda::EventSourceMapping", "functions")

    for priority in ("high", "normal", "low"):
        queue = queues[f"millrace-{synthesised.name}-starts-{priority}"]
        assert queue["RedrivePolicy"]["maxReceiveCount"] == 20
        assert queue["VisibilityTimeout"] == 180
    assert len(sources) == 10
    assert all(source["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for source in sources)


def test_the_end_of_every_machine_of_this_deployment_reaches_complete(synthesised: Synthesised):
    (rule,) = [
        r
        for r in synthesised.resources("AWS::Events::Rule", "messaging")
        if "EventBusName" not in r and "EventPattern" in r
    ]

    detail = rule["EventPattern"]["detail"]
    assert sorted(detail["status"]) == ["ABORTED", "FAILED", "SUCCEEDED", "TIMED_OUT"]
    assert f":stateMachine:millrace-{synthesised.name}-" in json.dumps(detail["stateMachineArn"])
    assert "Ends" in json.dumps(rule["Targets"][0]["Arn"])


def test_ends_of_items_of_a_distributed_map_reach_nobody(synthesised: Synthesised):
    (rule,) = [
        r
        for r in synthesised.resources("AWS::Events::Rule", "messaging")
        if "EventBusName" not in r and "EventPattern" in r
    ]
    pattern = compile_pattern(resolved(rule["EventPattern"]))
    sampled = json.loads((ROOT / "events" / "execution-ended.json").read_text())["Records"]
    bodies = [record["body"].replace("millrace-dev-", f"millrace-{synthesised.name}-") for record in sampled]

    assert [pattern.matches(json.loads(body)) for body in bodies] == [True, True, False]


def resolved(value: Any) -> Any:
    """With what CloudFormation knows of the account of the sample events put in."""
    known = {"AWS::Partition": "aws", "AWS::Region": "eu-central-1", "AWS::AccountId": "123456789012"}
    if isinstance(value, list):
        return [resolved(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "Ref" in value:
        return known[value["Ref"]]
    if "Fn::Join" in value:
        return "".join(resolved(value["Fn::Join"][1]))
    return {key: resolved(each) for key, each in value.items()}


def test_the_log_of_express_machines_reaches_complete_whole_and_waits_in_a_queue_where_that_fails(
    synthesised: Synthesised,
):
    name = f"/aws/vendedlogs/states/millrace-{synthesised.name}-express"
    template = synthesised.templates["orchestration"]["Resources"]
    (group,) = [key for key, each in template.items() if each.get("Properties", {}).get("LogGroupName") == name]
    (subscription,) = synthesised.resources("AWS::Logs::SubscriptionFilter")
    (allowed,) = [
        each
        for each in synthesised.resources("AWS::Lambda::Permission", "orchestration")
        if each["Principal"] == "logs.amazonaws.com"
    ]
    (late,) = synthesised.resources("AWS::Lambda::EventInvokeConfig")

    assert (subscription["FilterPattern"], subscription["LogGroupName"]) == ("", {"Ref": group})
    assert "complete" in json.dumps(subscription["DestinationArn"])
    assert allowed["FunctionName"] == subscription["DestinationArn"]
    assert allowed["SourceArn"] == {"Fn::GetAtt": [group, "Arn"]}
    assert late["MaximumRetryAttempts"] == 0
    assert "complete" in json.dumps(late["FunctionName"])
    assert "Ends" in json.dumps(late["DestinationConfig"]["OnFailure"])
    for function in synthesised.resources("AWS::Lambda::Function"):
        arn = function["Environment"]["Variables"].get("MILLRACE_EXPRESS_LOG_GROUP_ARN")
        assert json.dumps(arn).endswith(f':log-group:{name}"]]}}')


def test_every_event_of_the_bus_reaches_the_function_that_matches_it(synthesised: Synthesised):
    (rule,) = [r for r in synthesised.resources("AWS::Events::Rule", "messaging") if "EventBusName" in r]

    assert rule["EventPattern"] == {"source": [{"prefix": ""}]}
    assert "Events" in json.dumps(rule["Targets"][0]["Arn"])


def test_the_archive_keeps_every_event_of_the_bus(synthesised: Synthesised):
    (archive,) = synthesised.resources("AWS::Events::Archive")
    (bus,) = [
        key
        for key, each in synthesised.templates["messaging"]["Resources"].items()
        if each["Type"] == "AWS::Events::EventBus"
    ]

    assert archive["EventPattern"] == {"source": [{"prefix": ""}]}
    assert archive["SourceArn"] == {"Fn::GetAtt": [bus, "Arn"]}
    assert archive["RetentionDays"] == (90 if synthesised.name == "prod" else 14)


def test_an_inbox_gives_up_after_as_many_tries_as_a_queue_of_starts(synthesised: Synthesised):
    queues = {queue["QueueName"]: queue for queue in synthesised.resources("AWS::SQS::Queue", "messaging")}

    seconds = {
        "events": 360,
        "ends": 360,
        "fires": 360,
        "polls": 720,
        "watches": 360,
        "wakes": 360,
        "housekeeping": 1_800,
    }
    for name, visibility in seconds.items():
        queue = queues[f"millrace-{synthesised.name}-{name}"]
        assert queue["RedrivePolicy"]["maxReceiveCount"] == 20
        assert queue["VisibilityTimeout"] == visibility


def test_housekeeping_wakes_a_database_that_may_pause_once_a_day(synthesised: Synthesised):
    rules = [r for r in synthesised.resources("AWS::Events::Rule", "messaging") if "ScheduleExpression" in r]
    asked = {
        rule["ScheduleExpression"]: [json.loads(target["Input"])["work"] for target in rule["Targets"]]
        for rule in rules
    }

    daily, hourly = "cron(17 3 * * ? *)", "cron(47 * * * ? *)"
    pauses = {daily: ["daily", "ends"]}
    assert asked == ({daily: ["daily"], hourly: ["ends"]} if synthesised.name == "prod" else pauses)
    assert all("Housekeeping" in json.dumps(target["Arn"]) for rule in rules for target in rule["Targets"])


def test_schedules_run_as_a_role_that_fills_two_queues_and_nothing_else(synthesised: Synthesised):
    (policy,) = [
        each
        for each in synthesised.resources("AWS::IAM::Policy", "messaging")
        if "SchedulerRole" in json.dumps(each["Roles"])
    ]
    (statement,) = statements(policy)

    assert as_list(statement["Action"]) == ["sqs:SendMessage"]
    assert sorted(name for name in ("Fires", "Polls") for arn in statement["Resource"] if name in json.dumps(arn)) == [
        "Fires",
        "Polls",
    ]


def test_those_that_admit_are_few_at_a_time(synthesised: Synthesised):
    sources = synthesised.resources("AWS::Lambda::EventSourceMapping", "functions")

    (wakes,) = [each for each in sources if "Wakes" in json.dumps(each["EventSourceArn"])]
    assert "admit" in json.dumps(wakes["FunctionName"])
    assert wakes["ScalingConfig"] == {"MaximumConcurrency": 5}


def test_only_who_starts_ends_or_cancels_executions_puts_events_on_the_bus(synthesised: Synthesised):
    putting = [
        json.dumps(policy["Roles"])
        for policy in synthesised.resources("AWS::IAM::Policy")
        for each in statements(policy)
        if "events:PutEvents" in as_list(each["Action"])
    ]

    publishers = ("api", "complete", "dispatch", "schedule")
    assert len(putting) == len(publishers)
    assert all(any(name in roles for roles in putting) for name in publishers)


def test_executions_are_watched_by_who_starts_ends_or_looks_for_them(synthesised: Synthesised):
    sending = [
        json.dumps(policy["Roles"])
        for policy in synthesised.resources("AWS::IAM::Policy", "functions")
        for each in statements(policy)
        if "sqs:SendMessage" in as_list(each["Action"]) and "Watches" in json.dumps(each["Resource"])
    ]

    watchers = ("dispatch", "complete", "housekeeping")
    assert len(sending) == len(watchers)
    assert all(any(name in roles for roles in sending) for name in watchers)


def test_messages_that_are_held_back_for_a_quarter_of_an_hour_ring_no_alarm(synthesised: Synthesised):
    alarms = synthesised.resources("AWS::CloudWatch::Alarm")
    ages = [each for each in alarms if each.get("MetricName") == "ApproximateAgeOfOldestMessage"]
    patient = [json.dumps(each["Dimensions"]) for each in ages if each["Threshold"] == LATER_SECONDS + 300]

    assert [each["Threshold"] for each in ages].count(300) == len(ages) - len(patient) == 7
    assert sorted(name for name in ("Wakes", "Watches", "Fires") for each in patient if name in each) == [
        "Fires",
        "Wakes",
        "Watches",
    ]

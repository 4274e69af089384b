"""What express executions take beside machines: their log's way to `complete`, and the queue of watches."""

import json

from tests.infra.conftest import Synthesised
from tests.infra.test_stacks import as_list, statements


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


def test_express_executions_are_watched_by_who_starts_them_and_who_looks(synthesised: Synthesised):
    sending = [
        json.dumps(policy["Roles"])
        for policy in synthesised.resources("AWS::IAM::Policy", "functions")
        for each in statements(policy)
        if "sqs:SendMessage" in as_list(each["Action"]) and "Watches" in json.dumps(each["Resource"])
    ]

    assert len(sending) == 2
    assert all("dispatch" in roles or "complete" in roles for roles in sending)

"""Who is told when something is wrong or dear, and by which metrics."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.constructs.function import HANDLERS
from shared.adapters.telemetry.observed import Metric
from tests.infra.conftest import Synthesised, statements


def test_every_alarm_tells_somebody(synthesised: Synthesised):
    alarms = synthesised.resources("AWS::CloudWatch::Alarm")

    assert len(alarms) > 20
    assert all(alarm["AlarmActions"] for alarm in alarms)


def test_cloudwatch_and_the_budget_may_publish_to_the_topic_and_nobody_without_tls(synthesised: Synthesised):
    """A policy of its own takes the place of the one that lets the account publish."""
    template = synthesised.templates["observability"]["Resources"]
    ((name, topic),) = [(key, each) for key, each in template.items() if each["Type"] == "AWS::SNS::Topic"]
    (policy,) = synthesised.resources("AWS::SNS::TopicPolicy")
    allowed, denied = sorted(statements(policy), key=lambda each: str(each["Effect"]))

    assert (allowed["Effect"], denied["Effect"]) == ("Allow", "Deny")
    assert sorted(allowed["Principal"]["Service"]) == ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"]
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert all((each["Action"], each["Resource"]) == ("sns:Publish", {"Ref": name}) for each in statements(policy))
    assert policy["Topics"] == [{"Ref": name}]
    assert "KmsMasterKeyId" not in topic["Properties"]  # its key would have to let them in, too


@pytest.mark.parametrize("email", [None, "ops@example.org"])
def test_a_budget_tells_the_topic_and_whom_the_alarms_tell(email: str | None, tmp_path: Path):
    context = {"monthly_budget_usd": "70"} | ({"alarm_email": email} if email else {})
    made = Synthesised("dev", tmp_path, context)
    template = made.templates["observability"]["Resources"]
    (budget,) = [each for each in template.values() if each["Type"] == "AWS::Budgets::Budget"]
    (told,) = budget["Properties"]["NotificationsWithSubscribers"]
    topic, policy = (
        next(key for key, each in template.items() if each["Type"] == f"AWS::SNS::{kind}")
        for kind in ("Topic", "TopicPolicy")
    )

    assert budget["Properties"]["Budget"]["BudgetLimit"] == {"Amount": 70, "Unit": "USD"}
    mailed = [{"Address": email, "SubscriptionType": "EMAIL"}] if email else []
    assert told["Subscribers"] == [{"Address": {"Ref": topic}, "SubscriptionType": "SNS"}, *mailed]
    assert policy in budget["DependsOn"]


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
        assert {function for _, _, function in shown} < {*HANDLERS}

"""What wakes somebody, and what they look at then: alarms by mail, one dashboard, a budget."""

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.config import Environment
from infra.stacks.api import ApiStack
from infra.stacks.functions import FunctionsStack
from infra.stacks.messaging import MessagingStack
from infra.stacks.orchestration import OrchestrationStack

_FIVE_MINUTES = cdk.Duration.minutes(5)
_NODES_WITH_WORK = ("agent", "approval", "http", "tool")
_TELLERS = ("cloudwatch.amazonaws.com", "budgets.amazonaws.com")
_WITH_CACHE = ("api", "webhook", "agent", "http", "tool")
_HELD_BACK = {"wakes": 900, "fires": 900, "watches": 900}
"""Seconds for which messages may be meant to wait, by the queue's name."""


class ObservabilityStack(cdk.Stack):
    """`topic` takes every alarm, and what the budget tells."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        functions: FunctionsStack,
        messaging: MessagingStack,
        api: ApiStack,
        orchestration: OrchestrationStack,
    ) -> None:
        super().__init__(scope, name)
        self.topic = sns.Topic(self, "Alarms", topic_name=f"{environment.prefix}-alarms", enforce_ssl=True)
        self._may_publish()
        if environment.alarm_email:
            self.topic.add_subscription(subscriptions.EmailSubscription(environment.alarm_email))
        self._queues(messaging)
        self._functions(functions)
        self._api(api)
        self._repeating(orchestration)
        self._executions(environment)
        self._cache(environment)
        if environment.edge:
            self._dashboard(environment, functions, messaging, api)
        if environment.monthly_budget_usd:
            self._budget(environment, environment.monthly_budget_usd)

    def _may_publish(self) -> None:
        """A topic with a policy of its own, as one that enforces TLS has, lets nobody publish who is not named there.

        Sources: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/US_SetupSNS.html,
        https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-sns-policy.html.
        """
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                principals=[iam.ServicePrincipal(service) for service in _TELLERS],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )

    def _alarm(self, name: str, metric: cloudwatch.IMetric, threshold: float, why: str, periods: int = 1) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=why,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))

    def _queues(self, messaging: MessagingStack) -> None:
        for name, queue in messaging.dead_letters.items():
            depth = queue.metric_approximate_number_of_messages_visible(period=_FIVE_MINUTES, statistic="Maximum")
            self._alarm(f"Dead{name.title()}", depth, 1, f"A message of '{name}' was given up; look, then redrive it")
        for name, queue in {**messaging.queues, **messaging.inboxes}.items():
            age = queue.metric_approximate_age_of_oldest_message(period=_FIVE_MINUTES, statistic="Maximum")
            why = "Messages wait five minutes: is a limit reached, a store away?"
            self._alarm(f"Age{name.title()}", age, 300 + _HELD_BACK.get(name, 0), why)

    def _functions(self, functions: FunctionsStack) -> None:
        for name, function in functions.all.items():
            resource = function.lambda_function
            errors = resource.metric_errors(period=_FIVE_MINUTES)
            throttles = resource.metric_throttles(period=_FIVE_MINUTES)
            self._alarm(f"{name.title()}Errors", errors, 5, f"Function {name} failed five times in five minutes", 3)
            self._alarm(f"{name.title()}Throttles", throttles, 1, f"Function {name} reached its concurrency", 3)

    def _api(self, api: ApiStack) -> None:
        failures = api.rest.metric_server_error(period=_FIVE_MINUTES, statistic="Sum")
        self._alarm("ApiFailures", failures, 5, "The API answered five requests with a 5xx in five minutes")
        slow = api.rest.metric_latency(period=_FIVE_MINUTES, statistic="p99")
        self._alarm("ApiSlow", slow, 3_000, "One request in a hundred takes 3 s or longer", 3)

    def _repeating(self, orchestration: OrchestrationStack) -> None:
        for name, machine in orchestration.repeating.items():
            failed = machine.metric_failed(period=_FIVE_MINUTES)
            self._alarm(
                f"{name.title()}GivenUp", failed, 1, f"The work of a {name} was given up; look, then redrive it"
            )

    def _executions(self, environment: Environment) -> None:
        told = {
            "failed": _measured(environment, "ExecutionsFailed", "complete"),
            "late": _measured(environment, "ExecutionsTimedOut", "complete"),
            "well": _measured(environment, "ExecutionsSucceeded", "complete"),
        }
        bad, every = "(FILL(failed, 0) + FILL(late, 0))", "(FILL(failed, 0) + FILL(late, 0) + FILL(well, 0))"
        rate = cloudwatch.MathExpression(
            expression=f"IF({every} >= 10, 100 * {bad} / {every}, 0)", using_metrics=told, period=_FIVE_MINUTES
        )
        self._alarm("ExecutionsFail", rate, 20, "Of ten or more executions that ended in five minutes, a fifth failed")

    def _cache(self, environment: Environment) -> None:
        told = {name: _measured(environment, "CacheUnavailable", name) for name in _WITH_CACHE}
        failed = cloudwatch.MathExpression(
            expression=" + ".join(f"FILL({name}, 0)" for name in told), using_metrics=told, period=_FIVE_MINUTES
        )
        why = "Functions go on without their cache: do they reach it, is it full?"
        self._alarm("CacheAway", failed, 10, why, 2)

    def _dashboard(
        self, environment: Environment, functions: FunctionsStack, messaging: MessagingStack, api: ApiStack
    ) -> None:
        every = [function.lambda_function for function in functions.all.values()]
        graphs = {
            "Requests": [api.rest.metric_count(), api.rest.metric_server_error(), api.rest.metric_latency()],
            "Executions": [
                _measured(environment, "ExecutionsStarted", "dispatch"),
                *(
                    _measured(environment, f"Executions{end}", "complete")
                    for end in ("Succeeded", "Failed", "TimedOut", "Cancelled")
                ),
            ],
            "Length of executions (p50, p99)": [
                _measured(environment, "ExecutionDuration", "complete", statistic) for statistic in ("p50", "p99")
            ],
            "From request to start (p50, p99)": [
                _measured(environment, "QueueAge", "dispatch", statistic) for statistic in ("p50", "p99")
            ],
            "Errors of nodes": [_measured(environment, "NodeErrors", node) for node in _NODES_WITH_WORK],
            "Unanswered by the cache": [_measured(environment, "CacheUnavailable", name) for name in _WITH_CACHE],
            "Tokens": [_measured(environment, "Tokens", "agent")],
            "Dollars of models": [_measured(environment, "Dollars", "agent")],
            "Waiting to start": [
                queue.metric_approximate_age_of_oldest_message()
                for queue in (*messaging.queues.values(), *messaging.inboxes.values())
            ],
            "Dead letters": [
                q.metric_approximate_number_of_messages_visible() for q in messaging.dead_letters.values()
            ],
            "Invocations": [each.metric_invocations() for each in every],
            "Errors": [each.metric_errors() for each in every],
            "Duration (p99)": [each.metric_duration(statistic="p99") for each in every],
        }
        dashboard = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=environment.prefix)
        dashboard.add_widgets(
            *(cloudwatch.GraphWidget(title=title, left=metrics, width=8) for title, metrics in graphs.items())
        )

    def _budget(self, environment: Environment, dollars: int) -> None:
        """Tells the topic, and whom the alarms tell: who need not have confirmed the topic's mail for that."""
        told = [budgets.CfnBudget.SubscriberProperty(address=self.topic.topic_arn, subscription_type="SNS")]
        if environment.alarm_email:
            mail = budgets.CfnBudget.SubscriberProperty(address=environment.alarm_email, subscription_type="EMAIL")
            told.append(mail)
        forecast = budgets.CfnBudget.NotificationProperty(
            comparison_operator="GREATER_THAN", notification_type="FORECASTED", threshold=100
        )
        budget = budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=dollars, unit="USD"),
                cost_filters={"TagKeyValue": [f"user:millrace${environment.name}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(notification=forecast, subscribers=told)
            ],
        )
        budget.node.add_dependency(self.topic)  # with its policy: a topic that refuses the budget is refused by it


def _measured(environment: Environment, name: str, function: str, statistic: str = "Sum") -> cloudwatch.Metric:
    """What a function tells by itself, under its own name; shared/adapters/telemetry/observed.py lists the metrics."""
    return cloudwatch.Metric(
        namespace=environment.prefix,
        metric_name=name,
        dimensions_map={"service": function},
        statistic=statistic,
        period=_FIVE_MINUTES,
    )

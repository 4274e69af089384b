"""What the stacks say of the cache: to the functions that it is a cluster, and to somebody that it is away."""

from tests.infra.conftest import Synthesised
from tests.infra.test_alarms import measured

WITH_CACHE = ("api", "webhook", "agent", "http", "tool")


def test_functions_know_that_a_serverless_cache_is_a_cluster_and_one_that_is_given_is_not(synthesised: Synthesised):
    told = {
        (
            each["Environment"]["Variables"].get("MILLRACE_CACHE_CLUSTERED"),
            "REDIS_URL" in each["Environment"]["Variables"],
        )
        for each in synthesised.resources("AWS::Lambda::Function")
    }

    caches = synthesised.resources("AWS::ElastiCache::ServerlessCache")
    assert told == {("true" if caches else None, True)}
    assert len(caches) == (0 if synthesised.name == "localstack" else 1)


def test_an_alarm_counts_what_every_function_with_a_cache_tells_of_it(synthesised: Synthesised):
    (alarm,) = [e for e in synthesised.resources("AWS::CloudWatch::Alarm") if "CacheUnavailable" in str(e)]
    (expression,) = [each["Expression"] for each in alarm["Metrics"] if "Expression" in each]

    functions = {function for _, _, function in measured(alarm)}
    assert functions == {*WITH_CACHE}
    assert expression == " + ".join(f"FILL({name}, 0)" for name in WITH_CACHE)
    assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == (10, 2)

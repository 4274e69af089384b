"""What is refused when a machine is loaded. Sources: https://states-language.net/spec.html, and the quotas of AWS."""

from typing import Any

import pytest

from shared.errors import InvalidDefinition
from statemachines.interpreter import Machine
from tests.interpreter.harness import LAMBDA, branch, pass_, task


def document(**states: Any) -> dict[str, Any]:
    return {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}


def choice(**rule: Any) -> dict[str, Any]:
    return {"Type": "Choice", "Choices": [{"Condition": "{% true %}", "Next": "b", **rule}]}


def mapped(config: Any = None, **fields: Any) -> dict[str, Any]:
    """A Map, distributed unless it has another `config`."""
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"} if config is None else config
    return document(
        a={"Type": "Map", "ItemProcessor": {"ProcessorConfig": config, **branch(i=pass_())}, "End": True, **fields}
    )


CONFIG = "/States/a/ItemProcessor/ProcessorConfig"
RETRY = {"ErrorEquals": ["States.ALL"]}
MISTAKES: list[tuple[str, Any, str, str]] = [
    ("no object", [], "", "JSON object"),
    ("no states", {"QueryLanguage": "JSONata", "StartAt": "a", "States": {}}, "/States", "at least one"),
    ("no such start", {**document(a=pass_()), "StartAt": "z"}, "/StartAt", "'z'"),
    ("JSONPath by default", {"StartAt": "a", "States": {"a": pass_()}}, "/States/a", "only JSONata"),
    ("JSONPath", {**document(a=pass_()), "QueryLanguage": "JSONPath"}, "/QueryLanguage", "only JSONata"),
    ("a JSONPath state", document(a=pass_(QueryLanguage="JSONPath")), "/States/a", "only JSONata"),
    ("a JSONPath field", document(a=pass_(InputPath="$.x")), "/States/a/InputPath", "belongs to JSONPath"),
    ("an unknown field", document(a=pass_(Retries=1)), "/States/a/Retries", "not supported"),
    ("an unknown type", document(a={"Type": "Activity", "End": True}), "/States/a/Type", "'Activity'"),
    ("neither Next nor End", document(a={"Type": "Pass"}), "/States/a", "either Next or End"),
    ("both Next and End", document(a={"Type": "Pass", "Next": "a", "End": True}), "/States/a", "either Next or End"),
    ("no such target", document(a=pass_(Next="z")), "/States/a/Next", "'z'"),
    ("a state that is not reached", document(a=pass_(), b=pass_()), "/States/b", "never reached"),
    ("a long name", document(**{"n" * 81: pass_()}), "/States/" + "n" * 81, "81 characters"),
    (
        "a name twice",
        document(a={"Type": "Parallel", "Branches": [branch(a=pass_())], "End": True}),
        "/States/a/Branches[0]/States/a",
        "names are unique",
    ),
    ("a Choice without rules", document(a={"Type": "Choice", "Choices": []}), "/States/a/Choices", "at least one rule"),
    (
        "a condition that is text",
        document(a=choice(Condition="$x > 1"), b=pass_()),
        "/States/a/Choices[0]/Condition",
        "is of the type bool",
    ),
    ("a Wait without a time", document(a={"Type": "Wait", "End": True}), "/States/a", "either Seconds or Timestamp"),
    (
        "a resource",
        document(a={**task(), "Resource": "arn:aws:lambda:eu-west-1:1:function:f"}),
        "/States/a/Resource",
        "no service integration",
    ),
    ("Retry on a Pass", document(a=pass_(Retry=[RETRY])), "/States/a/Retry", "not supported"),
    ("no error names", document(a=task(Retry=[{"ErrorEquals": []}])), "/States/a/Retry[0]/ErrorEquals", "at least one"),
    (
        "States.ALL with others",
        document(a=task(Retry=[{"ErrorEquals": ["States.ALL", "X"]}])),
        "/States/a/Retry[0]/ErrorEquals",
        "stands alone",
    ),
    (
        "States.ALL before others",
        document(a=task(Retry=[RETRY, {"ErrorEquals": ["X"]}])),
        "/States/a/Retry[0]/ErrorEquals",
        "last entry",
    ),
    (
        "a back-off below 1",
        document(a=task(Retry=[{**RETRY, "BackoffRate": 0.5}])),
        "/States/a/Retry[0]/BackoffRate",
        "from 1",
    ),
    (
        "a delay below the interval",
        document(a=task(Retry=[{**RETRY, "IntervalSeconds": 5, "MaxDelaySeconds": 5}])),
        "/States/a/Retry[0]/MaxDelaySeconds",
        "greater than IntervalSeconds",
    ),
    (
        "a jitter",
        document(a=task(Retry=[{**RETRY, "JitterStrategy": "SOME"}])),
        "/States/a/Retry[0]/JitterStrategy",
        "FULL or NONE",
    ),
    ("a catcher without Next", document(a=task(Catch=[RETRY])), "/States/a/Catch[0]/Next", "has a Next"),
    ("a catcher's target", document(a=task(Catch=[{**RETRY, "Next": "z"}])), "/States/a/Catch[0]/Next", "'z'"),
    (
        "no branches",
        document(a={"Type": "Parallel", "Branches": [], "End": True}),
        "/States/a/Branches",
        "at least one",
    ),
    ("no processor", document(a={"Type": "Map", "End": True}), "/States/a/ItemProcessor", "StartAt and States"),
    ("a processor's mode", mapped(config={"Mode": "REMOTE"}), f"{CONFIG}/Mode", "no processor mode 'REMOTE'"),
    ("no ExecutionType", mapped(config={"Mode": "DISTRIBUTED"}), f"{CONFIG}/ExecutionType", "names its ExecutionType"),
    ("an ItemReader", mapped(ItemReader={"Resource": "arn:aws:states:::s3:getObject"}), "/States/a/ItemReader", "S3"),
    ("a ResultWriter", mapped(ResultWriter={}), "/States/a/ResultWriter", "is not run by this interpreter"),
    ("a batcher of nothing", mapped(ItemBatcher={"BatchInput": 1}), "/States/a/ItemBatcher", "has MaxItemsPerBatch"),
    (
        "a batcher's unknown field",
        mapped(ItemBatcher={"MaxItemsPerBatch": 1, "Size": 1}),
        "/States/a/ItemBatcher/Size",
        "not supported",
    ),
    (
        "a JSONPath field of a batcher",
        mapped(ItemBatcher={"MaxItemsPerBatchPath": "$.n"}),
        "/States/a/ItemBatcher/MaxItemsPerBatchPath",
        "belongs to JSONPath",
    ),
    (
        "a batch size that is text",
        mapped(ItemBatcher={"MaxItemsPerBatch": "2"}),
        "/States/a/ItemBatcher/MaxItemsPerBatch",
        "int",
    ),
    ("a label with a colon", mapped(Label="a:b"), "/States/a/Label", "1 to 40 characters"),
    ("a label that is too long", mapped(Label="l" * 41), "/States/a/Label", "1 to 40 characters"),
    ("a label in INLINE mode", mapped(config={"Mode": "INLINE"}, Label="l"), "/States/a/Label", "not supported"),
    (
        "a batcher in INLINE mode",
        mapped(config={}, ItemBatcher={"MaxItemsPerBatch": 1}),
        "/States/a/ItemBatcher",
        "not supported",
    ),
    ("a processor's config that is text", mapped(config="DISTRIBUTED"), CONFIG, "is an object"),
    ("a path for the items", mapped(ItemsPath="$.x"), "/States/a/ItemsPath", "belongs to JSONPath"),
    ("Parameters", document(a={**task(), "Parameters": {}}), "/States/a/Parameters", "belongs to JSONPath"),
    ("ResultPath", document(a={**task(), "ResultPath": "$.x"}), "/States/a/ResultPath", "belongs to JSONPath"),
    (
        "a Variable in a rule",
        document(a=choice(Variable="$.x"), b=pass_()),
        "/States/a/Choices[0]/Variable",
        "JSONPath",
    ),
    (
        "a heartbeat that is not below the time-out",
        document(a=task(TimeoutSeconds=5, HeartbeatSeconds=5)),
        "/States/a/HeartbeatSeconds",
        "below TimeoutSeconds",
    ),
    ("a syntax error", document(a=pass_(Output={"x": ["{% 1 + %}"]})), "/States/a/Output/x[0]", "'1 +'"),
    ("$eval", document(a=pass_(Output="{% $eval('1') %}")), "/States/a/Output", "$eval is not allowed"),
    ("a bare name", document(a=pass_(Output="{% phone %}")), "/States/a/Output", "at the top level"),
    ("the root", document(a=pass_(Output="{% $$.x %}")), "/States/a/Output", "at the top level"),
    ("a result of a Pass", document(a=pass_(Output="{% $states.result %}")), "/States/a/Output", "does not exist here"),
    (
        "a result in Arguments",
        document(a=task("{% $states.result %}")),
        "/States/a/Arguments/Payload",
        "does not exist here",
    ),
    (
        "an error outside Catch",
        document(a=task(Output="{% $states.errorOutput %}")),
        "/States/a/Output",
        "does not exist here",
    ),
    ("a variable's name", document(a=pass_(Assign={"a-b": 1})), "/States/a/Assign/a-b", "identifier"),
    ("the reserved variable", document(a=pass_(Assign={"states": 1})), "/States/a/Assign/states", "identifier"),
    (
        "a branch that assigns an outer variable",
        document(
            a=pass_(Assign={"v": 1}, Next="p"),
            p={"Type": "Parallel", "Branches": [branch(b=pass_(Assign={"v": 2}))], "End": True},
        ),
        "/States/p/Branches[0]/States",
        "exists outside",
    ),
    ("a machine's time-out", {**document(a=pass_()), "TimeoutSeconds": 0}, "/TimeoutSeconds", "from 1"),
]


@pytest.mark.parametrize(("asl", "path", "text"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_reported_with_its_place(asl: Any, path: str, text: str):
    with pytest.raises(InvalidDefinition) as caught:
        Machine.load(asl)

    messages = {diagnostic.path: diagnostic.message for diagnostic in caught.value.diagnostics}
    assert path in messages, messages
    assert text in messages[path]


def test_every_mistake_is_reported_at_once():
    with pytest.raises(InvalidDefinition) as caught:
        Machine.load(document(a=pass_(Output="{% 1 + %}", InputPath="$"), b={"Type": "Wait", "End": True}))

    assert len(caught.value.diagnostics) == 4


def test_a_syntax_error_has_its_position():
    with pytest.raises(InvalidDefinition) as caught:
        Machine.load(document(a=pass_(Output="{% $states.input[ %}")))

    assert caught.value.diagnostics[0].position == len("$states.input[")


def test_what_is_right_is_loaded():
    asl = document(
        a=task(Next="b", Retry=[RETRY], Catch=[{**RETRY, "Next": "b"}], TimeoutSeconds="{% 5 %}", HeartbeatSeconds=3),
        b={"Type": "Task", "Resource": LAMBDA + ".waitForTaskToken", "Arguments": {}, "End": True},
    )

    assert set(Machine.load(asl).states) == {"a", "b"}


def test_a_distributed_map_may_have_all_of_its_fields():
    asl = mapped(
        Label="orders",
        Items="{% $states.input.orders %}",
        ItemBatcher={"MaxItemsPerBatch": 10, "MaxInputBytesPerBatch": "{% 1000 %}", "BatchInput": {"a": 1}},
        ToleratedFailurePercentage=5.5,
        ToleratedFailureCount="{% 3 %}",
        MaxConcurrency=7,
    )
    about = Machine.load(asl).states["a"].distribution

    assert about is not None
    assert about.label == "orders"


def test_a_child_execution_may_assign_what_its_parent_does():
    asl = document(
        v=pass_(Assign={"x": 1}, Next="a"),
        a={
            "Type": "Map",
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                **branch(i=pass_(Assign={"x": 2})),
            },
            "End": True,
        },
    )

    assert set(Machine.load(asl).states) == {"v", "a"}

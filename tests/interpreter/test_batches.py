"""ItemBatcher of a distributed Map.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itembatcher.html. Items are selected before
they are batched, and a batch that fails counts each of its items.
"""

import pytest

from tests.interpreter.harness import FAILED, Case, branch, check, pass_
from tests.interpreter.test_distributed import BOOM, EXCEEDED, distributed

SHOW = branch(i=pass_())

CASES = [
    Case(
        "ItemBatcher",
        {"m": distributed(SHOW, ItemBatcher={"MaxItemsPerBatch": 2})},
        input=[1, 2, 3],
        output=[{"Items": [1, 2]}, {"Items": [3]}],
    ),
    Case(
        "BatchInput",
        {
            "m": distributed(
                SHOW,
                Items=[1, 2],
                ItemBatcher={"MaxItemsPerBatch": "{% 1 + 1 %}", "BatchInput": {"a": "{% $states.input %}"}},
            )
        },
        input="in",
        output=[{"BatchInput": {"a": "in"}, "Items": [1, 2]}],
    ),
    Case(
        "MaxInputBytesPerBatch",
        {"m": distributed(SHOW, ItemBatcher={"MaxInputBytesPerBatch": 22})},
        input=["aaaa", "b", "cccccccccccccccccccccccc", "d"],
        output=[{"Items": ["aaaa", "b"]}, {"Items": ["cccccccccccccccccccccccc"]}, {"Items": ["d"]}],
    ),
    Case(
        "both limits of a batch",
        {"m": distributed(SHOW, ItemBatcher={"MaxItemsPerBatch": 3, "MaxInputBytesPerBatch": 17})},
        input=[1, 2, 3, 4, 55555, 6],
        output=[{"Items": [1, 2, 3]}, {"Items": [4]}, {"Items": [55555]}, {"Items": [6]}],
    ),
    Case(
        "ItemSelector before ItemBatcher",
        {
            "m": distributed(
                SHOW,
                ItemSelector="{% $states.context.Map.Item.Value * 10 %}",
                ItemBatcher={"MaxItemsPerBatch": 2},
            )
        },
        input=[1, 2, 3],
        output=[{"Items": [10, 20]}, {"Items": [30]}],
    ),
    Case(
        "a batch that fails counts each of its items",
        {
            "m": distributed(
                branch(
                    c={
                        "Type": "Choice",
                        "Choices": [{"Condition": "{% 2 in $states.input.Items %}", "Next": "f"}],
                        "Default": "o",
                    },
                    f={"Type": "Fail", "Error": "Boom", "Cause": "c"},
                    o=pass_(),
                ),
                ItemBatcher={"MaxItemsPerBatch": 2},
                ToleratedFailureCount=1,
            )
        },
        input=[1, 2, 3, 4, 5],
        status=FAILED,
        error=EXCEEDED,
    ),
    Case(
        "and is tolerated where that many are",
        {
            "m": distributed(
                branch(
                    c={
                        "Type": "Choice",
                        "Choices": [{"Condition": "{% 2 in $states.input.Items %}", "Next": "f"}],
                        "Default": "o",
                    },
                    f={"Type": "Fail", "Error": "Boom", "Cause": "c"},
                    o=pass_(Output="{% $states.input.Items %}"),
                ),
                ItemBatcher={"MaxItemsPerBatch": 2},
                ToleratedFailurePercentage=40,
            )
        },
        input=[1, 2, 3, 4, 5],
        output=[BOOM, [3, 4], [5]],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_batches(case: Case):
    check(case)

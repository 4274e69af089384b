"""The catalogue of tools as data is what the tools themselves say."""

from functions.nodes.tool.registry import specs
from shared import errors
from shared.workflow.tool_catalogue import tool_specs


def test_the_file_is_what_the_tools_say():
    assert [each.model_dump() for each in tool_specs().values()] == specs(), "run `make docs`"


def test_every_tool_says_what_a_model_and_an_author_need():
    for spec in tool_specs().values():
        assert spec.summary.endswith(".")
        assert spec.arguments["type"] == "object"
        assert all(issubclass(getattr(errors, name), errors.NodeError) for name in spec.raises)

"""The reference pages say what the models say, about everything that there is."""

import pytest

from functions.nodes.tool.registry import catalogue
from local.reference import PAGES
from shared.workflow.node_catalogue import node_types
from tests.docs.extract import ROOT


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_current(name):
    assert (ROOT / "docs" / "reference" / f"{name}.md").read_text() == PAGES[name](), "run make docs"


def test_every_tool_with_its_arguments_and_errors_is_on_the_page():
    page = PAGES["tools"]()
    for tool in catalogue().values():
        section = page.split(f"\n## {tool.name}\n")[1].split("\n## ")[0]
        assert tool.summary in section
        assert all(f"| `{name}` |" in section for name in tool.arguments.model_fields)
        assert all(f"`{error}`" in section for error in (*tool.raises, *tool.connections))


def test_every_node_type_is_on_the_page():
    page = PAGES["nodes"]()
    assert len(node_types()) == 10
    for each in node_types().values():
        assert each.summary in page.split(f"\n## {each.type}\n")[1].split("\n## ")[0]
    assert "#### CursorPages" in page
    assert "| `max_turns` | integer | `10` | 1 to 100. |" in page

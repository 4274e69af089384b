"""What workflows can be made of, through the API."""

from functions.nodes.tool.registry import catalogue


async def test_node_types_come_with_their_schema(doors):
    items = (await doors.api.get("/api/node-types")).json()["items"]
    found = {each["type"]: each for each in items}
    assert set(found) == {
        "agent",
        "tool",
        "transform",
        "condition",
        "loop",
        "parallel",
        "webhook",
        "delay",
        "approval",
        "workflow",
    }
    assert found["webhook"]["function"] == "http"
    assert found["delay"]["function"] is None
    assert "config" in found["agent"]["schema"]["properties"]
    assert all(each["summary"].endswith(".") for each in items)


async def test_every_tool_is_listed_by_itself(doors):
    items = (await doors.api.get("/api/tools")).json()["items"]
    assert [each["name"] for each in items] == list(catalogue())

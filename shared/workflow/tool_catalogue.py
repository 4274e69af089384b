"""The registered tools as data: what the compiler, the API and agents need to know of them without loading their code.

`tools.json` is written from functions/nodes/tool by `make docs`; a test holds the two together.
"""

from functools import cache
from importlib.resources import files
from typing import Any

import orjson
from pydantic import BaseModel


class ToolSpec(BaseModel):
    """One tool: `arguments` is the JSON Schema of what it takes, `raises` names errors, `connections` kinds."""

    name: str
    summary: str
    arguments: dict[str, Any]
    raises: list[str]
    connections: list[str]


@cache
def tool_specs() -> dict[str, ToolSpec]:
    """Every tool by its name, in order."""
    data = orjson.loads(files(__package__).joinpath("tools.json").read_bytes())
    return {each["name"]: ToolSpec.model_validate(each) for each in data}

"""`github.create_issue`: opens an issue. GitHub knows no idempotency keys: a retry may open a second one."""

from typing import Any

from pydantic import Field

from functions.nodes.tool.github import GitHubArguments, post
from functions.nodes.tool.registry import SERVICE_ERRORS, TOKEN_KINDS, Tool, ToolContext


class IssueArguments(GitHubArguments):
    title: str = Field(min_length=1, max_length=256)
    body: str = Field(default="", max_length=65_536, description="Markdown.")
    labels: list[str] = Field(default_factory=list, max_length=100)
    assignees: list[str] = Field(default_factory=list, max_length=10)


async def run(arguments: IssueArguments, context: ToolContext) -> dict[str, Any]:
    """`{id, number, html_url}` of the issue."""
    issue = arguments.model_dump(include={"title", "body", "labels", "assignees"})
    return await post(arguments, context, "issues", issue)


TOOL = Tool(
    name="github.create_issue",
    summary="Opens an issue in a repository of GitHub.",
    arguments=IssueArguments,
    run=run,
    connections=TOKEN_KINDS,
    raises=SERVICE_ERRORS,
)

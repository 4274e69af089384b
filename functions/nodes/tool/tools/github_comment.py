"""`github.comment`: a comment on an issue or a pull request. A retry may leave a second one."""

from typing import Any

from pydantic import Field

from functions.nodes.tool.github import GitHubArguments, post
from functions.nodes.tool.registry import SERVICE_ERRORS, TOKEN_KINDS, Tool, ToolContext


class CommentArguments(GitHubArguments):
    number: int = Field(ge=1, description="Of the issue or the pull request.")
    body: str = Field(min_length=1, max_length=65_536, description="Markdown.")


async def run(arguments: CommentArguments, context: ToolContext) -> dict[str, Any]:
    """`{id, html_url}` of the comment."""
    return await post(arguments, context, f"issues/{arguments.number}/comments", {"body": arguments.body})


TOOL = Tool(
    name="github.comment",
    summary="Comments on an issue or a pull request of GitHub.",
    arguments=CommentArguments,
    run=run,
    connections=TOKEN_KINDS,
    raises=SERVICE_ERRORS,
)

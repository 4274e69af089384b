"""What the tools of GitHub have in common.

Source: https://docs.github.com/en/rest/issues
"""

from typing import Any
from urllib.parse import quote

from pydantic import Field

from functions.nodes.tool.registry import Arguments, ToolContext, check_api
from shared.adapters.http.exchange import Limits
from shared.adapters.http.request import compose
from shared.errors import ConnectionUnusable, DestinationRateLimited, DestinationRefused

_LIMITS = Limits(body_bytes=2_000_000, total_seconds=30.0)
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_FORBIDDEN = 403


class GitHubArguments(Arguments):
    repository: str = Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", max_length=200, examples=["octocat/hello"])
    api_url: str = Field(default="https://api.github.com", description="Of a GitHub Enterprise Server.")


async def post(arguments: GitHubArguments, context: ToolContext, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What GitHub made of it: `{id, number?, html_url}`.

    Raises:
        DestinationRateLimited: also where GitHub says so with 403.
        NodeError: see `Requester.send` and `Answer.raise_for_status`.
    """
    if context.credentials is None:
        raise ConnectionUnusable("The tools of GitHub need a `connection` of the kind bearer, with a token.")
    check_api(context, arguments.api_url, GitHubArguments)
    url = f"{arguments.api_url.rstrip('/')}/repos/{quote(arguments.repository)}/{path}"
    request = compose("POST", url, headers=_HEADERS, body=body)
    answer = await context.requester.send(request, _LIMITS, context.credentials)
    headers = answer.headers
    if answer.status == _FORBIDDEN and (headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers):
        raise DestinationRateLimited("GitHub's rate limit is used up.", retry_after=headers.get("retry-after"))
    answer.raise_for_status()
    made, _ = answer.content()
    if not isinstance(made, dict):
        raise DestinationRefused(f"{answer.what} gave no JSON object; is api_url the API of a GitHub?")
    return {name: made[name] for name in ("id", "number", "html_url") if name in made}

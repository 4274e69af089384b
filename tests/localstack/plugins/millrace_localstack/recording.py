"""Who asked AWS for what: a line of JSON for each request that was made with the credentials of a role.

`{"role": ARN, "service": "s3", "operation": "PutObject", "arns": […]}`, in `actions.jsonl` in the folder for temporary
files; `arns` are the resources that the request names in full.
LocalStack does not enforce policies; the tests hold them to these lines.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from localstack.aws import handlers
from localstack.runtime import hooks

_KEY = re.compile(r"Credential=([^/]+)/")


class _Recorder:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._roles: dict[str, str] = {}
        self._seen: set[str] = set()

    def __call__(self, chain: Any, context: Any, response: Any) -> None:
        """A response handler of LocalStack's gateway."""
        del chain, response
        if context.service is None or context.operation is None:
            return
        if context.operation.name == "AssumeRole" and context.service_response:
            key = context.service_response["Credentials"]["AccessKeyId"]
            self._roles[key] = context.service_request["RoleArn"]
        found = _KEY.search(context.request.headers.get("Authorization", ""))
        role = self._roles.get(found[1]) if found else None
        if role is None:
            return
        asked = {"role": role, "service": context.service.service_name, "operation": context.operation.name}
        line = json.dumps({**asked, "arns": _arns(context.service_request or {})})
        if line not in self._seen:
            self._seen.add(line)
            with self._file.open("a") as lines:
                lines.write(line + "\n")


def _arns(request: dict[str, Any]) -> list[str]:
    """A role that is passed on is no resource of the request."""
    named = [value for name, value in request.items() if name.lower() != "rolearn" and isinstance(value, str)]
    return sorted(value for value in named if value.startswith("arn:"))


@hooks.on_infra_start()
def record_actions() -> None:
    """Before the first request."""
    handlers.run_custom_response_handlers.append(_Recorder(Path(tempfile.gettempdir()) / "actions.jsonl"))

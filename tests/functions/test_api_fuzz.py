"""What the OpenAPI document allows, and what it does not, sent to every operation as each role and as nobody.

No answer is a fault of ours (5xx), and each is one that the document describes: status, content type, headers, schema.
`MILLRACE_TEST_TIER=long` sends fifteen times as much.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import checks
from schemathesis.core.failures import FailureGroup

from local.web import bind, serving
from shared.identity.permissions import Role
from tests.functions.conftest import Doors
from tests.functions.test_access_matrix import DOCUMENT, STREAMS, World, world

__all__ = ["world"]

EXAMPLES = 60 if os.environ.get("MILLRACE_TEST_TIER") == "long" else 4
NOT_BUILT = 501
"""Says so, as the document does; no other 5xx is let pass."""
CHECKS = (
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
)
LAST = ("DELETE", "PUT")
"""What is removed or renamed early cannot be asked for later."""


def operations() -> Iterator[Any]:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    found = [each.ok() for each in schema.get_all_operations()]
    return iter(sorted(found, key=lambda each: (each.method.upper() in LAST, each.path)))


def faults(url: str, ids: dict[str, str], keys: dict[str, str | None]) -> list[str]:
    """Sends and checks; what is wrong, in words."""
    found: list[str] = []
    session = requests.Session()
    session.trust_env = False

    def send(case: Any, who: str, key: str | None) -> None:
        case.headers = {**dict(case.headers or {}), **({"Authorization": f"Bearer {key}"} if key else {})}
        if key is None:
            case.headers.pop("Authorization", None)
        response = case.call(base_url=url, session=session, timeout=10)
        try:
            fault = () if response.status_code == NOT_BUILT else (checks.not_a_server_error,)
            case.validate_response(response, checks=[*fault, *CHECKS])
        except FailureGroup as group:
            words = "; ".join(f"{each.title}: {each.message}" for each in group.exceptions)
            found.append(
                f"{who}: {case.as_curl_command()[:1500]}\n  {response.status_code} {response.text[:500]}\n  {words}"
            )

    for operation in operations():
        ask_all(operation, ids, keys, send)
    return found


def ask_all(operation: Any, ids: dict[str, str], keys: dict[str, str | None], send: Callable[..., None]) -> None:
    """Examples of one operation, each with ids that are made up and with those of resources that are there."""
    real = {name: ids[name] for name in ids if f"{{{name}}}" in operation.path}
    stream = f"{operation.method.upper()} {operation.path}" in STREAMS

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        for who, key in keys.items():
            send(case, who, key)
        if real and not stream:
            case.path_parameters = {**(case.path_parameters or {}), **real}
            for who, key in keys.items():
                send(case, who, key)

    ask()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(900)
async def test_no_request_finds_a_fault(doors: Doors, world: World):
    keys: dict[str, str | None] = {"nobody": None, "another project": world.foreign}
    keys |= {role.value: world.keys[role] for role in Role}
    async with serving(doors.api_app, bind("127.0.0.1", 0)) as url:
        found = await asyncio.to_thread(faults, url, world.ids, keys)

    assert found == [], "\n\n".join(found[:20])

"""What both functions do before and around their routes."""

import httpx
import pytest

from functions.api.access import identified
from functions.api.app import create_app
from functions.api.deps import Deps
from functions.api.handler import handler as api_handler
from functions.webhook.handler import handler as webhook_handler
from shared.clock import SystemClock
from shared.errors import ConfigInvalid, StoreUnavailable
from shared.identity.permissions import Role, permissions_of
from shared.identity.signing_in import Identity
from shared.settings import DEFAULT_PROJECT_ID, Settings
from tests.functions.conftest import BASE_URL, assert_problem

OWNER = Identity("api_key", "owner", {DEFAULT_PROJECT_ID: permissions_of(Role.OWNER)})


class Unlimited:
    async def hit(self, limits):
        return []


def client_of(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL)


def app_over(workflows=None, **deps):
    """The API over stores that only a test of failures can have."""
    nothing = {"triggers": None, "executions": None, "queue": None, "feed": None, "secrets": None}
    nothing |= {
        "blobs": None,
        "connections": None,
        "completions": None,
        "tokens": None,
        "approvals": None,
        "approval_links": None,
        "trigger_states": None,
        "samples": None,
        "circuits": None,
        "bulk_runs": None,
        "access": None,
        "audit": None,
        "limits": Unlimited(),
        "oidc": None,
        "runner": None,
        "events": None,
        "archive": None,
        "replays": None,
        "dead_letters": None,
    }
    app = create_app(Deps(workflows, clock=SystemClock(), settings=Settings(), **{**nothing, **deps}))
    app.dependency_overrides[identified] = lambda: OWNER
    return app


@pytest.mark.parametrize("given", ["order-7", "a.b:c_d-E", "x" * 128])
async def test_a_correlation_id_is_kept(given):
    async with client_of(app_over()) as client:
        answer = await client.get("/healthz", headers={"X-Correlation-Id": given})

    assert answer.headers["x-correlation-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "<script>", "a\tb"])
async def test_an_odd_correlation_id_is_replaced(given):
    async with client_of(app_over()) as client:
        answer = await client.get("/healthz", headers={"X-Correlation-Id": given})

    assert answer.headers["x-correlation-id"] not in ("", given)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[::2]", "["])
async def test_other_host_names_are_refused(host):
    async with client_of(app_over()) as client:
        answer = await client.get("/healthz", headers={"Host": host})

    assert_problem(answer, 421, "request.host_not_allowed")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000"])
async def test_names_of_loopback_are_served(host):
    async with client_of(app_over()) as client:
        assert (await client.get("/healthz", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "http://["])
async def test_pages_of_other_origins_change_nothing(origin):
    async with client_of(app_over()) as client:
        changed = await client.post("/api/workflows", json={}, headers={"Origin": origin})
        read = await client.get("/healthz", headers={"Origin": origin})

    assert_problem(changed, 403, "request.cross_origin")
    assert read.status_code == 200


async def test_pages_of_the_own_origin_may(doors):
    answer = await doors.api.post("/api/workflows", json={}, headers={"Origin": BASE_URL})

    assert_problem(answer, 422, "definition.invalid")


async def test_a_crash_says_nothing_of_its_cause(caplog):
    class Broken:
        async def list(self, *_, **__):
            raise RuntimeError("password=hunter2")

    async with client_of(app_over(Broken())) as client:
        answer = await client.get("/api/workflows")

    problem = assert_problem(answer, 500, "internal")
    assert "hunter2" not in answer.text
    assert problem["correlation_id"]
    assert "hunter2" in caplog.text


@pytest.mark.parametrize("handler", [api_handler, webhook_handler])
def test_the_lambdas_say_which_settings_they_need(handler):
    with pytest.raises(ConfigInvalid, match="MILLRACE_SEALING_SECRET"):
        handler({}, None)


async def test_a_store_that_is_away_is_503(caplog):
    class Away:
        async def list(self, *_, **__):
            raise StoreUnavailable("PostgreSQL cannot be reached.")

    async with client_of(app_over(Away())) as client:
        answer = await client.get("/api/workflows")

    assert_problem(answer, 503, "platform.store_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert "PostgreSQL cannot be reached." in caplog.text


async def test_unknown_routes_and_methods():
    async with client_of(app_over()) as client:
        assert_problem(await client.get("/api/nothing"), 404, "resource.not_found")
        answer = await client.patch("/api/workflows")

    problem = assert_problem(answer, 405, "request.method_not_allowed")
    assert "POST" in answer.headers["allow"]
    assert "PATCH" in problem["detail"]


async def test_health_and_readiness():
    async def well():
        return None

    async def ill():
        raise OSError("no route to host")

    async with client_of(app_over(probes={"database": well, "cache": well})) as client:
        live, ready = await client.get("/healthz"), await client.get("/readyz")
    async with client_of(app_over(probes={"database": well, "cache": ill})) as client:
        unready = await client.get("/readyz")

    assert (live.status_code, live.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "checks": {"database": "ok", "cache": "ok"}})
    assert (unready.status_code, unready.json()["checks"]) == (503, {"database": "ok", "cache": "failed"})


async def test_the_docs_work_without_a_network():
    async with client_of(app_over()) as client:
        page = await client.get("/docs")
        assets = [part.split('"')[0] for part in page.text.split('="')[1:] if part.startswith(("/", "http"))]
        answers = [await client.get(asset) for asset in assets]

    assert len(assets) == 3
    assert all(asset.startswith("/docs/assets/") for asset in assets)
    assert [each.status_code for each in answers] == [200, 200, 200]


def test_openapi_documents_every_route_and_its_errors():
    document = app_over().openapi()
    schemas = document["components"]["schemas"]

    assert document["openapi"].startswith("3.1")
    assert {"WorkflowDefinition", "Problem", "ExecutionOut"} <= set(schemas)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            where = f"{method.upper()} {path}"
            assert operation["summary"], where
            if not path.startswith("/api"):
                continue
            refused = {status: r for status, r in operation["responses"].items() if status >= "400"}
            assert {"422", "503"} <= set(refused), where
            assert ("404" in refused) == ("{" in path), where
            if path == "/api/auth/token":  # its errors are those of RFC 6749
                continue
            assert all("application/problem+json" in each["content"] for each in refused.values()), where


def test_openapi_has_no_dangling_references():
    document = app_over().openapi()
    found: list[str] = []

    def walk(value):
        if isinstance(value, dict):
            found.extend(v for k, v in value.items() if k == "$ref" and isinstance(v, str))
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(document)
    names = {ref.removeprefix("#/components/schemas/") for ref in found}
    assert names <= set(document["components"]["schemas"])

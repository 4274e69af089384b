"""What browsers are told, and which pages may call the API."""

from dataclasses import replace

import httpx
import pytest

from functions.api.app import create_app
from shared.adapters.asgi.headers import DATA_POLICY, PAGE_POLICY
from shared.errors import ConfigInvalid
from shared.settings import Settings, load
from tests.functions.conftest import Doors, assert_problem
from tests.functions.test_doors import app_over, client_of

CONSOLE = "https://console.example.org"


@pytest.fixture
def open_app(doors: Doors):
    deps = doors.api_app.state.deps
    return create_app(replace(deps, settings=Settings(cors_origins=f"{CONSOLE}, http://localhost:5173")))


@pytest.mark.parametrize("path", ["/api/nothing", "/healthz", "/openapi.json", "/docs", "/.well-known/jwks.json"])
async def test_every_answer_has_the_headers(doors: Doors, path: str):
    answer = await doors.api.get(path)

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["content-security-policy"] == (PAGE_POLICY if path == "/docs" else DATA_POLICY)
    assert "strict-transport-security" not in answer.headers
    assert answer.headers.get("cache-control") == ("no-store" if path.startswith("/api/") else None)


async def test_a_page_keeps_its_own_policy_and_tls_is_kept(doors: Doors):
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(doors.api_app), base_url="https://127.0.0.1:8000"
    ) as client:
        answer = await client.get("/oauth/start", params={"state": "x"})
        page = await client.get("/healthz")

    assert answer.status_code == 401
    assert page.headers["strict-transport-security"].startswith("max-age=31536000")


async def test_no_page_of_another_origin_reads_anything_unless_it_is_named():
    async with client_of(app_over()) as client:
        answer = await client.get("/healthz", headers={"Origin": CONSOLE})
        preflight = await client.options(
            "/api/workflows", headers={"Origin": CONSOLE, "Access-Control-Request-Method": "POST"}
        )

    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert preflight.status_code == 405


async def test_pages_of_a_named_origin_may_call_without_cookies(open_app, doors: Doors):
    headers = {"Origin": CONSOLE, "Authorization": doors.api.headers["Authorization"]}
    async with client_of(open_app) as client:
        preflight = await client.options(
            "/api/workflows",
            headers={
                "Origin": CONSOLE,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type",
            },
        )
        written = await client.post("/api/workflows", json={}, headers=headers)
        stranger = await client.post("/api/workflows", json={}, headers={**headers, "Origin": "https://evil.example"})
        refused = await client.options(
            "/api/workflows", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        )

    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, CONSOLE)
    assert "access-control-allow-credentials" not in preflight.headers
    assert_problem(written, 422, "definition.invalid")
    assert written.headers["access-control-allow-origin"] == CONSOLE
    assert_problem(stranger, 403, "request.cross_origin")
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("given", ["*", "example.org", "https://a.example/x", "https://*.example", "null"])
def test_what_is_no_origin_stops_the_start(monkeypatch: pytest.MonkeyPatch, given: str):
    monkeypatch.setenv("MILLRACE_CORS_ORIGINS", given)

    with pytest.raises(ConfigInvalid, match="no origin"):
        load()

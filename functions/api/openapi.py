"""The OpenAPI 3.1 document, and its page at `/docs`, which works without a network."""

from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from functions.api import access
from functions.api.models.common import Problem
from functions.api.models.events import PublishEvent
from shared.version import VERSION
from shared.workflow.definition import WorkflowDefinition

DESCRIPTION = """\
Workflows of AI agents and other nodes, on your own AWS account.

Errors are problem documents (RFC 9457) with a stable `code`. Every answer has an `X-Correlation-Id`; send your own to
find a request, and the execution it started, in the logs.
"""
_ASSETS = "/docs/assets"


def describe(app: FastAPI) -> None:
    """Gives `app` its OpenAPI document and the page that shows it."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_models(
                get_openapi(
                    title=app.title,
                    version=app.version,
                    description=DESCRIPTION,
                    license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
                    routes=app.routes,
                )
            )
            access.describe(app, app.openapi_schema)
        return app.openapi_schema

    async def page(request: Request) -> HTMLResponse:
        below = request.scope.get("root_path", "")
        return get_swagger_ui_html(
            openapi_url=f"{below}/openapi.json",
            title="Millrace API",
            swagger_js_url=f"{below}{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{below}{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{below}{_ASSETS}/favicon.png",
        )

    app.openapi = document  # type: ignore[method-assign]  # the way that FastAPI's documentation gives
    app.add_api_route("/docs", page, include_in_schema=False)
    app.mount(_ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")), name="docs-assets")


def new_app() -> FastAPI:
    """An app without FastAPI's own pages, which load their scripts from a CDN."""
    return FastAPI(title="Millrace", version=VERSION, docs_url=None, redoc_url=None)


def _with_models(document: dict[str, Any]) -> dict[str, Any]:
    """Adds the models that routes refer to by name, because they read or write them by hand."""
    _, schema = models_json_schema(
        [(WorkflowDefinition, "validation"), (PublishEvent, "validation"), (Problem, "serialization")],
        by_alias=True,
        ref_template="#/components/schemas/{model}",
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name, model in schema["$defs"].items():
        schemas.setdefault(name, model)
    return document

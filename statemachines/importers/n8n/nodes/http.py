"""HTTP Request, versions 1 to 4.

v1, v2   requestMethod, jsonParameters, queryParametersUi.parameter, bodyParametersJson, options.bodyContentType …
v3, v4   method, sendQuery, specifyQuery, queryParameters.parameters, jsonBody, contentType …
"""

from collections.abc import Callable, Mapping
from typing import Any

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.document import N8nNode
from statemachines.importers.n8n.effects import effect
from statemachines.importers.n8n.names import slug
from statemachines.importers.n8n.places import Place
from statemachines.importers.n8n.problems import Untranslatable
from statemachines.importers.n8n.registry import translates
from statemachines.importers.n8n.result import Level
from statemachines.importers.n8n.values import Value
from statemachines.importers.n8n.work import Work

_NEW = 3.0
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
_TODO = "Use a `webhook` node, or a `tool` for what HTTP alone cannot do."
_LIST_NODES = frozenset(
    f"n8n-nodes-base.{name}"
    for name in ("splitInBatches", "aggregate", "limit", "sort", "removeDuplicates", "itemLists")
)
"""Who puts one of these behind a request expects a list from it."""
_LEFT_OUT = {
    "pagination": "Only the first page is asked for.",
    "batching": "Requests are not held back between batches.",
    "proxy": "No proxy is used.",
    "allowUnauthorizedCerts": "Certificates are always checked.",
}


@translates(
    "n8n-nodes-base.httpRequest",
    becomes="`webhook`",
    remarks="Versions 1 to 4: URL, query, headers, JSON, form and text bodies, retries. Credentials become a named "
    "connection. Files, multipart and pagination are not translated.",
)
def http_request(work: Work) -> None:
    """A webhook; the item behind it is the answer's body, as in n8n."""
    _say_left_out(work)
    fixed = {**_method(work.node), **connection(work), **_redirects(work.node)}
    timeout = work.node.get("options.timeout")
    result = _result(work)
    effect(work, "webhook", lambda place: {**fixed, **_request(work, place)}, result)
    if isinstance(timeout, int | float) and not isinstance(timeout, bool) and 1 <= timeout / 1000 <= 31_536_000:  # noqa: PLR2004 - a year
        _worker(work)["timeout_seconds"] = max(1, round(timeout / 1000))
    _several(work)


def connection(work: Work) -> dict[str, str]:
    """`connection`, where n8n uses credentials. They are never in an export, so a person must add it."""
    raw = work.node.raw.get("credentials")
    credentials = {key: value for key, value in raw.items() if isinstance(value, dict)} if isinstance(raw, dict) else {}
    asked = work.node.text("authentication", "none") != "none"
    if not asked and not credentials:
        return {}
    kind = work.node.text("genericAuthType") or work.node.text("nodeCredentialType") or next(iter(credentials), "")
    kind = kind or work.node.text("authentication")
    chosen = credentials.get(kind) or next(iter(credentials.values()), {})
    name = slug(str(chosen.get("name") or kind or work.node.name), "n8n-credentials")
    shown = chosen.get("name") or kind
    message = f"n8n's credentials '{shown}' ({kind}) are not in the export; the node names the connection '{name}'."
    work.say(Level.TODO, "connection.missing", message, f"Add a connection called '{name}'.")
    return {"connection": name}


def _method(node: N8nNode) -> dict[str, Any]:
    method = node.text("method" if node.version >= _NEW else "requestMethod", "GET").upper()
    if method not in _METHODS:
        raise Untranslatable(f"the method '{method[:20]}' is computed or not one of {', '.join(_METHODS)}", _TODO)
    return {"method": method}


def _redirects(node: N8nNode) -> dict[str, Any]:
    follow = node.get("options.redirect.redirect.followRedirects", node.get("options.followRedirect"))
    return {} if follow is False else {"follow_redirects": True}


def _request(work: Work, place: Place) -> Mapping[str, Any]:
    node = work.node
    url = work.code(node.get("url", ""), place)
    if url.constant and not str(url.literal).lower().startswith(("http://", "https://")):
        # n8n takes an address without its scheme for http
        url = c.constant(f"http://{url.literal}") if url.literal else url
    if url.constant and not url.literal:
        raise Untranslatable("it has no URL", "Give the URL.")
    config: dict[str, Any] = {"url": url.template()}
    parts = _new_parts(work, place) if node.version >= _NEW else _old_parts(work, place)
    return config | parts


def _new_parts(work: Work, place: Place) -> dict[str, Any]:
    node = work.node
    config: dict[str, Any] = {}
    for field, send, specify, rows, text in (
        ("query", "sendQuery", "specifyQuery", "queryParameters.parameters", "jsonQuery"),
        ("headers", "sendHeaders", "specifyHeaders", "headerParameters.parameters", "jsonHeaders"),
    ):
        if node.flag(send):
            as_json = node.text(specify, "keypair") == "json"
            code = work.json_code(node.get(text, "{}"), place) if as_json else _pairs(work, rows, place)
            config[field] = code.template()
    if node.flag("sendBody"):
        config |= _body(work, place)
    return config


def _body(work: Work, place: Place) -> dict[str, Any]:
    node = work.node
    kind = node.text("contentType", "json")
    rows = "bodyParameters.parameters"
    if kind == "json":
        as_json = node.text("specifyBody", "keypair") == "json"
        code = work.json_code(node.get("jsonBody", "{}"), place) if as_json else _pairs(work, rows, place)
        return {"body": code.template()}
    if kind == "form-urlencoded" and node.text("specifyBody", "keypair") == "keypair":
        return {"body": _pairs(work, rows, place).template(), "body_type": "form"}
    if kind in ("raw", "form-urlencoded"):
        body = c.string_of(work.code(node.get("body", ""), place)).template()
        media = node.text("rawContentType") if kind == "raw" else "application/x-www-form-urlencoded"
        if media and media != "text/plain":
            work.say(
                Level.NOTE, "http.content_type", f"The body is sent as text; add the header Content-Type: {media[:80]}."
            )
        return {"body": body, "body_type": "text"}
    raise Untranslatable(f"a body of kind '{kind}' cannot be sent", _TODO)


def _old_parts(work: Work, place: Place) -> dict[str, Any]:
    node = work.node
    as_json = node.flag("jsonParameters")
    config: dict[str, Any] = {}
    for field, name in (("query", "queryParameters"), ("headers", "headerParameters"), ("body", "bodyParameters")):
        if field == "body" and node.text("requestMethod", "GET").upper() in ("GET", "HEAD"):
            continue
        if as_json and node.get(f"{name}Json"):
            config[field] = work.json_code(node.get(f"{name}Json"), place).template()
        elif not as_json and node.rows(f"{name}Ui.parameter"):
            config[field] = _pairs(work, f"{name}Ui.parameter", place).template()
    kind = node.text("options.bodyContentType", "json")
    if "body" in config and kind == "form-urlencoded":
        config["body_type"] = "form"
    elif "body" in config and kind != "json":
        raise Untranslatable(f"a body of kind '{kind}' cannot be sent", _TODO)
    return config


def _pairs(work: Work, path: str, place: Place) -> Code:
    members: dict[str, Code] = {}
    for row in work.node.rows(path):
        name = row.get("name")
        if not isinstance(name, str) or not name or name.startswith("="):
            raise Untranslatable("the name of a parameter is empty or computed", _TODO)
        if row.get("parameterType") == "formBinaryData":
            raise Untranslatable("a file is sent", _TODO)
        members[name] = work.code(row.get("value", ""), place)
    return c.entries(members)


def _result(work: Work) -> Callable[[Code], Code]:
    """What the item behind the node is, out of a webhook's `{status, headers, body}`."""
    node = work.node
    if node.flag("options.response.response.fullResponse") or node.flag("options.fullResponse"):
        return _whole_answer
    form = node.text("options.response.response.responseFormat") or node.text("responseFormat")
    if form == "file":
        raise Untranslatable("the answer is kept as a file", _TODO)
    if form in ("text", "string"):
        name = node.text("options.response.response.outputPropertyName") or node.text("dataPropertyName") or "data"
        return lambda whole: Code(
            f"{{{c.quoted(name)}: {whole.text}.body}}", "object", fields={name: c.member(whole, "body")}
        )
    return lambda whole: c.member(whole, "body")


def _whole_answer(whole: Code) -> Code:
    fields = {
        "statusCode": c.member(whole, "status"),
        "headers": c.member(whole, "headers"),
        "body": c.member(whole, "body"),
    }
    return Code(c.entries(fields).text, "object", fields=fields)


def _say_left_out(work: Work) -> None:
    options = work.node.get("options", {})
    for name, outcome in _LEFT_OUT.items():
        if isinstance(options, dict) and options.get(name):
            work.say(Level.CHECK, "option.left_out", f"The option `{name}` is left out. {outcome}")
    if work.node.flag("options.response.response.neverError") or work.node.flag("options.ignoreResponseCode"):
        message = "n8n goes on after an answer of 400 and above; here the node fails."
        work.say(Level.CHECK, "option.left_out", message, "Add `on_error: continue`, or an error edge.")


def _worker(work: Work) -> dict[str, Any]:
    """The node that sends the request: the last one of this id, or the only one in its loop's body."""
    node = next(each for each in reversed(work.bench.nodes) if each["id"] == work.id)
    found: dict[str, Any] = node["config"]["body"]["nodes"][0] if node["type"] == "loop" else node
    return found


def _several(work: Work) -> None:
    """n8n makes an item of each element where the answer is a list."""
    port = work.ports[0]
    if port.value.many or port.value.code.fields:
        return
    pinned = work.session.document.pinned.get(work.node.name, [])
    document = work.session.document
    after = {
        document.nodes[link.target].type for link in work.session.graph.out.get(work.node.name, ()) if link.output == 0
    }
    if len(pinned) > 1 or after & _LIST_NODES:
        code = c.listed(port.value.code)
        work.ports[0] = type(port)(port.edge, port.live, Value(code, many=True), port.ways)
        message = "The answer is taken for a list of items, because of what is pinned or what follows."
        work.say(Level.NOTE, "http.list", message)
    else:
        message = "If the answer is a list, n8n makes an item of each element; here it stays one value."
        work.say(Level.CHECK, "http.list", message, "Put a `loop` behind it if it is one.")

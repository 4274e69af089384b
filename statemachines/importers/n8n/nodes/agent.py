"""n8n's AI Agent and Basic LLM Chain, with the nodes that are attached to them.

Attached nodes are no steps: a connection of kind `ai_languageModel`, `ai_memory`, `ai_tool` or `ai_outputParser` leads
from them to the agent. They become parts of its config.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.document import N8nNode
from statemachines.importers.n8n.effects import effect
from statemachines.importers.n8n.names import slug
from statemachines.importers.n8n.nodes.subworkflow import workflow_name
from statemachines.importers.n8n.places import Place
from statemachines.importers.n8n.problems import Untranslatable
from statemachines.importers.n8n.registry import translates
from statemachines.importers.n8n.result import Level
from statemachines.importers.n8n.work import Work

_CHAIN = "@n8n/n8n-nodes-langchain."
# Those of the agent node; any other becomes the default model.
_PROVIDERS = {
    "lmChatOpenAi": "openai",
    "lmChatAnthropic": "anthropic",
    "lmChatAwsBedrock": "bedrock",
}
_TODO = "Give the agent what it needs by hand."


@translates(
    f"{_CHAIN}agent",
    f"{_CHAIN}chainLlm",
    becomes="`agent`",
    remarks="Model, prompt, system message, window memory, manual output schema; as tools MCP servers, workflows and "
    "fixed HTTP requests. Other tools are left out, and reported.",
)
def agent(work: Work) -> None:
    """An agent; the item behind it is `{output}`, of a chain `{text}`."""
    is_agent = work.node.type == f"{_CHAIN}agent"
    attached = _Attached(work)
    fixed: dict[str, Any] = attached.model()
    if schema := attached.schema():
        fixed["output_schema"] = schema
    if tools := attached.tools():
        fixed["tools"] = tools
    turns = work.node.get("options.maxIterations")
    if is_agent and tools and isinstance(turns, int) and not isinstance(turns, bool):
        fixed["max_turns"] = min(max(turns, 1), 100)
    field = "output" if is_agent or schema else "text"
    effect(
        work, "agent", lambda place: {**fixed, **_texts(work, place, attached), **attached.memory(place)}, _item(field)
    )
    attached.say_rest()


def _item(field: str) -> Callable[[Code], Code]:
    return lambda whole: Code(f"{{{c.quoted(field)}: {whole.text}}}", "object", fields={field: whole})


def _texts(work: Work, place: Place, attached: "_Attached") -> Mapping[str, Any]:
    node = work.node
    auto = node.text("promptType", "auto") == "auto" and not node.get("text")
    prompt = c.member(place.current, "chatInput") if auto else work.code(node.get("text", ""), place)
    texts: dict[str, Any] = {"prompt": prompt.template()}
    system = node.get("options.systemMessage") or attached.system_message()
    if system:
        texts["instructions"] = c.string_of(work.code(system, place)).template()
    return texts


class _Attached:
    """The nodes that are attached to one agent."""

    def __init__(self, work: Work) -> None:
        self.work = work
        document = work.session.document
        self.by_kind: dict[str, list[N8nNode]] = {}
        for kind, name in document.attached.get(work.node.name, ()):
            node = document.nodes[name]
            if not node.disabled:
                self.by_kind.setdefault(kind, []).append(node)

    def take(self, node: N8nNode) -> None:
        """Notes that a node is part of the agent."""
        self.work.session.consumed.add(node.name)
        self.work.session.say(Level.NOTE, "node.attached", f"It is part of the agent '{self.work.node.name}'.", node)

    def model(self) -> dict[str, Any]:
        models = self.by_kind.get("ai_languageModel", [])
        if not models:
            raise Untranslatable("no language model is attached to it", _TODO)
        first, *others = [self._model_name(node) for node in models]
        found: dict[str, Any] = {"model": first}
        if others:
            found["fallback_models"] = others[:5]
        return found

    def _model_name(self, node: N8nNode) -> str:
        self.take(node)
        raw = node.get("model", node.get("modelName"))
        name = raw.get("value") if isinstance(raw, dict) else raw
        provider = _PROVIDERS.get(node.type.removeprefix(_CHAIN))
        if provider is None or not isinstance(name, str) or not name or name.startswith("="):
            message = "Which model it is could not be told, so the agent uses the installation's default model."
            self.work.session.say(Level.CHECK, "agent.model", message, node, "Set `model` to `provider:name`.")
            return "default"
        if node.get("options"):
            message = f"Options of the model are left out: {', '.join(sorted(node.get('options')))[:200]}."
            self.work.session.say(Level.NOTE, "agent.model_options", message, node)
        message = (
            "Its credentials are not in the export; the agent uses the key of this provider that the installation has."
        )
        self.work.session.say(Level.NOTE, "agent.credentials", message, node)
        return f"{provider}:{name.removeprefix('models/')}"

    def memory(self, place: Place) -> dict[str, Any]:
        for node in self.by_kind.get("ai_memory", []):
            if node.type != f"{_CHAIN}memoryBufferWindow":
                continue
            self.take(node)
            custom = node.text("sessionIdType", "fromInput") != "fromInput" or node.get("sessionKey")
            key = self.work.code(node.get("sessionKey", ""), place) if custom else c.member(place.current, "sessionId")
            window = node.get("contextWindowLength", 5)
            # n8n counts exchanges, each of two messages
            size = min(max(2 * window, 2), 200) if isinstance(window, int) and not isinstance(window, bool) else 10
            return {"memory": {"key": c.string_of(key).template(), "window": size}}
        return {}

    def schema(self) -> dict[str, Any] | None:
        for node in self.by_kind.get("ai_outputParser", []):
            raw = node.get("inputSchema") or node.get("jsonSchema")
            if node.type != f"{_CHAIN}outputParserStructured" or not isinstance(raw, str):
                continue
            try:
                found = json.loads(raw)
            except ValueError:
                continue
            if isinstance(found, dict):
                self.take(node)
                return found
        return None

    def tools(self) -> list[dict[str, Any]]:
        found = []
        for node in self.by_kind.get("ai_tool", []):
            handler = _TOOLS.get(node.type.removeprefix(_CHAIN))
            tool = handler(node) if handler else None
            if tool is not None:
                self.take(node)
                found.append(tool)
                self._say_tool(node, tool)
        return found

    def _say_tool(self, node: N8nNode, tool: Mapping[str, Any]) -> None:
        if "workflow" in tool:
            message = f"The agent may run the workflow '{tool['workflow']}', which must be imported under this name."
            self.work.session.say(Level.TODO, "workflow.name", message, node, "Import that workflow too.")
        if node.raw.get("credentials"):
            message = "n8n uses credentials for this tool; they are not in the export."
            self.work.session.say(Level.TODO, "connection.missing", message, node, "Give the tool a `connection`.")

    def system_message(self) -> Any:
        rows = self.work.node.rows("messages.messageValues")
        plain = [
            each for each in rows if each.get("type", "SystemMessagePromptTemplate") == "SystemMessagePromptTemplate"
        ]
        return plain[0].get("message") if len(plain) == 1 else None

    def say_rest(self) -> None:
        """What is attached and could not be taken."""
        for kind, nodes in self.by_kind.items():
            for node in nodes:
                if node.name not in self.work.session.consumed:
                    self.work.session.consumed.add(node.name)
                    what = kind.removeprefix("ai_")
                    message = f"The agent '{self.work.node.name}' works without it: this {what} is not translated."
                    self.work.session.say(Level.TODO, "agent.attached", message, node, _TODO)


def _tool_name(node: N8nNode) -> str:
    return slug(node.text("name") or node.name, "tool").replace("-", "_")


def _description(node: N8nNode) -> dict[str, str]:
    text = node.text("description") or node.text("toolDescription")
    return {"description": text[:1_000]} if text and not text.startswith("=") else {}


def _workflow_tool(node: N8nNode) -> dict[str, Any] | None:
    try:
        name = workflow_name(node, "workflowId")
    except Untranslatable:
        return None
    return {"workflow": name, "name": _tool_name(node), **_description(node)}


def _mcp_tool(node: N8nNode) -> dict[str, Any] | None:
    url = node.text("endpointUrl") or node.text("sseEndpoint")
    if not url.startswith(("http://", "https://")):
        return None
    allow = node.get("includeTools")
    limited = {"allow": [str(each) for each in allow]} if isinstance(allow, list) and allow else {}
    return {"mcp": url, **limited}


def _http_tool(node: N8nNode) -> dict[str, Any] | None:
    url = node.text("url")
    if not url.startswith(("http://", "https://")) or "{" in url or node.flag("sendBody") or node.flag("sendQuery"):
        return None
    arguments = {"method": node.text("method", "GET").upper(), "url": url}
    return {"tool": "http.request", "name": _tool_name(node), **_description(node), "arguments": arguments}


_TOOLS: dict[str, Callable[[N8nNode], dict[str, Any] | None]] = {
    "toolWorkflow": _workflow_tool,
    "mcpClientTool": _mcp_tool,
    "toolHttpRequest": _http_tool,
    "n8n-nodes-base.httpRequestTool": _http_tool,
}

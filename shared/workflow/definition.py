"""The workflow definition: the wire model that authors write, as JSON or YAML.

Terms:
  node        one step; its `type` decides what its `config` may hold
  edge        from one node to another; a condition's edges name a `case`, an error edge says `error: true`
  graph       nodes and edges; the workflow has one, and so has every body of a `loop` and branch of a `parallel`
  expression  JSONata inside `{% %}`; a field of type `Expr` may be one, one of type `JsonExpr` may hold some

Only the shape is checked here. What a graph means, and whether an expression compiles, is the compiler's to say.
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, StringConstraints

from shared.workflow.flow_control import FlowControl
from shared.workflow.pagination import Model, Pagination

NodeId: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z][a-zA-Z0-9_]*$", max_length=64)]
"""A node's id is a JSONata variable name, so that `$classify` reads the output of the node `classify`."""

Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
Expression: TypeAlias = Annotated[str, StringConstraints(pattern=r"^\{%[\s\S]*%\}$")]
Expr: TypeAlias = str
JsonExpr: TypeAlias = Any
JsonSchema: TypeAlias = dict[str, Any]

RESERVED_IDS = frozenset({"input", "execution", "item", "index", "states"})
"""Names that expressions already use for something else."""


class Retry(Model):
    """How often a failed node is tried again, and how long it waits in between (seconds)."""

    max_attempts: int = Field(default=3, ge=1, le=100, description="Attempts in all, the first one included.")
    interval_seconds: int = Field(default=1, ge=1, le=86_400)
    backoff_rate: float = Field(default=2.0, ge=1.0, le=10.0)
    max_delay_seconds: int | None = Field(default=None, ge=1, le=31_622_400)
    jitter: bool = True
    errors: list[str] | None = Field(
        default=None, description="Error names to retry; by default those that are worth another try."
    )


class Cache(Model):
    """Reuse a node's earlier output for the same key."""

    key: Expr
    ttl_seconds: int = Field(default=3600, ge=1, le=31_536_000)


class Position(Model):
    x: float
    y: float


class BaseNode(Model):
    """What every node may have."""

    id: NodeId
    name: str | None = Field(default=None, max_length=120)
    notes: str | None = Field(default=None, max_length=10_000)
    position: Position | None = None
    retry: Retry | None = None
    timeout_seconds: int | None = Field(default=None, ge=1, le=31_536_000)
    on_error: Literal["fail", "continue"] = Field(
        default="fail",
        description="`continue` makes the node's output `{error: {name, cause}}` and goes on. A node with an outgoing"
        " edge marked `error: true` takes that edge instead.",
    )
    cache: Cache | None = None


class Budget(Model):
    """A run of the agent stops before it would exceed one of these."""

    tokens: int | None = Field(default=None, ge=1)
    dollars: float | None = Field(default=None, gt=0)


class Memory(Model):
    """Messages kept between runs under one key."""

    key: Expr
    window: int = Field(default=20, ge=1, le=200)


class AgentTool(Model):
    """Something that an agent may call; exactly one of `tool`, `mcp` and `workflow` says what."""

    tool: str | None = Field(default=None, description="A registered tool.")
    mcp: str | None = Field(default=None, description="URL of an MCP server that speaks streamable HTTP.")
    workflow: Name | None = Field(default=None, description="Another workflow of the project.")
    allow: list[str] | None = Field(default=None, description="Of an MCP server: the tools that may be called.")
    name: str | None = Field(default=None, max_length=64, description="What the model knows it by.")
    description: str | None = Field(default=None, max_length=1_000)
    input_schema: JsonSchema | None = Field(default=None, description="Of a workflow: what the model may send.")
    connection: str | None = None
    arguments: JsonExpr = Field(default_factory=dict, description="Fixed arguments; the model cannot change them.")
    approval: bool = Field(default=False, description="A person must approve each call.")


class AgentConfig(Model):
    """A language model that answers, with structure and tools."""

    model: str = Field(
        default="default", description="`provider:name`, or `default` for what the installation is set to."
    )
    fallback_models: list[str] = Field(default_factory=list, max_length=5)
    connection: str | None = None
    instructions: Expr = ""
    prompt: JsonExpr
    output_schema: JsonSchema | None = Field(default=None, description="JSON Schema of the output; without it, text.")
    tools: list[str | AgentTool] = Field(default_factory=list, max_length=64)
    max_turns: int = Field(default=10, ge=1, le=100)
    budget: Budget | None = None
    memory: Memory | None = None
    stream: bool = Field(default=False, description="Show what the model says in the live events, as it says it.")


class ToolConfig(Model):
    """One call of a registered tool, or of an MCP server's tool."""

    tool: str
    connection: str | None = None
    arguments: JsonExpr = Field(default_factory=dict)


class TransformConfig(Model):
    """Reshapes data; costs no compute."""

    output: JsonExpr


class Case(Model):
    case: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    when: Expression


class ConditionConfig(Model):
    """The first case whose `when` is true is taken, else `default`. Its output is `{case: <name>}`."""

    cases: list[Case] = Field(min_length=1, max_length=50)
    default: str | None = Field(default=None, description="Without it, an execution that matches no case fails here.")


class ForEachConfig(Model):
    """Runs `body` once per item, in `$item` with its `$index`. Its output is the list of the bodies' outputs."""

    kind: Literal["for_each"]
    items: Expr
    body: "Graph"
    max_concurrency: int = Field(default=10, ge=1, le=1000)
    max_items: int | None = Field(
        default=None, ge=1, le=1_000_000, description="A longer list fails the node; a known bound is planned with."
    )
    mode: Literal["auto", "inline", "distributed"] = Field(
        default="auto",
        description="`distributed` runs each item as an execution of its own, so that any number of items fits."
        " `auto` does so where `max_concurrency` is above 40 or `max_items` would overflow the history.",
    )
    on_item_error: Literal["fail", "continue"] = "fail"


class WhileConfig(Model):
    """Runs `body` while `condition` holds. `$item` is its last output (`initial` at first), `$index` the round."""

    kind: Literal["while"]
    condition: Expression
    body: "Graph"
    initial: JsonExpr = None
    max_iterations: int = Field(default=100, ge=1, le=10_000)


LoopConfig: TypeAlias = Annotated[ForEachConfig | WhileConfig, Field(discriminator="kind")]


class ParallelConfig(Model):
    """Runs named branches at the same time. Its output is an object of their outputs by name."""

    branches: dict[NodeId, "Graph"] = Field(min_length=1, max_length=40)


class WebhookConfig(Model):
    """An HTTP request to an external service. Its output is `{status, headers, body}`."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = "POST"
    url: Expr
    query: JsonExpr = Field(default_factory=dict)
    headers: JsonExpr = Field(default_factory=dict)
    body: JsonExpr = None
    body_type: Literal["json", "form", "multipart", "text", "binary"] = Field(
        default="json",
        description="`form` and `multipart` take an object of fields, `text` a string, `binary` base64. A field of"
        " `multipart` may be a file: `{filename, content_type, content, encoding: base64}`.",
    )
    connection: str | None = None
    follow_redirects: bool = False
    paginate: Pagination | None = Field(
        default=None, exclude_if=lambda value: value is None, description="Gets page after page, within bounds."
    )
    max_response_bytes: int = Field(
        default=5_000_000,
        ge=1,
        le=25_000_000,
        description="A body of more than about 200 kB is handed on as a claim check, which only nodes can redeem.",
    )


class DelayConfig(Model):
    """Waits for `seconds`, or until a time; give one of them."""

    seconds: int | Expression | None = None
    until: Expr | None = Field(default=None, description="RFC 3339 time.")


class ApprovalConfig(Model):
    """A person decides. The output is `{approved, by, at, comment, form}`; without an answer in time the node fails."""

    title: Expr
    description: Expr = ""
    form_schema: JsonSchema | None = None
    approvers: list[Expr] = Field(default_factory=list, description="Who is asked; each may be an expression.")
    escalate_after_seconds: int | None = Field(
        default=None, ge=60, description="Without an answer by then, `escalate_to` are asked in place of `approvers`."
    )
    escalate_to: list[Expr] = Field(default_factory=list)


class SubworkflowConfig(Model):
    """Runs another workflow of the project. The output is that workflow's, or with `wait: false` `{execution_id}`."""

    workflow: Name
    input: JsonExpr = Field(default_factory=dict)
    wait: bool = True


class AgentNode(BaseNode):
    type: Literal["agent"]
    config: AgentConfig


class ToolNode(BaseNode):
    type: Literal["tool"]
    config: ToolConfig


class TransformNode(BaseNode):
    type: Literal["transform"]
    config: TransformConfig


class ConditionNode(BaseNode):
    type: Literal["condition"]
    config: ConditionConfig


class LoopNode(BaseNode):
    type: Literal["loop"]
    config: LoopConfig


class ParallelNode(BaseNode):
    type: Literal["parallel"]
    config: ParallelConfig


class WebhookNode(BaseNode):
    type: Literal["webhook"]
    config: WebhookConfig


class DelayNode(BaseNode):
    type: Literal["delay"]
    config: DelayConfig


class ApprovalNode(BaseNode):
    type: Literal["approval"]
    config: ApprovalConfig


class SubworkflowNode(BaseNode):
    type: Literal["workflow"]
    config: SubworkflowConfig


Node: TypeAlias = Annotated[
    AgentNode
    | ToolNode
    | TransformNode
    | ConditionNode
    | LoopNode
    | ParallelNode
    | WebhookNode
    | DelayNode
    | ApprovalNode
    | SubworkflowNode,
    Field(discriminator="type"),
]


class Edge(Model):
    from_: NodeId = Field(alias="from")
    to: NodeId
    case: str | None = Field(default=None, description="The case of a condition that takes this edge.")
    error: bool = Field(default=False, description="Taken when `from` fails, in place of its other edges.")


class Graph(Model):
    """Nodes and edges. `output` shapes the result; without it, the outputs of the sinks by node id."""

    nodes: list[Node] = Field(min_length=1, max_length=5_000)
    edges: list[Edge] = Field(default_factory=list, max_length=20_000)
    output: JsonExpr = None


class WorkflowSettings(Model):
    mode: Literal["durable", "express"] = "durable"
    timeout_seconds: int = Field(default=3600, ge=1, le=31_536_000)
    max_concurrency: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="How many executions of the workflow run at once; further ones wait. Without it there is no bound.",
    )
    flow_control: FlowControl | None = Field(default=None, description="What becomes of arrivals. docs/flow-control.md")
    optimize: bool = Field(default=True, description="Off: one state per node, for stepping through.")


class WorkflowDefinition(Graph):
    """A workflow."""

    name: Name
    description: str = Field(default="", max_length=2_000)
    settings: WorkflowSettings = Field(default_factory=WorkflowSettings)
    input_schema: JsonSchema | None = Field(default=None, description="JSON Schema that every input must match.")


for _model in (ForEachConfig, WhileConfig, ParallelConfig, LoopNode, ParallelNode, Graph, WorkflowDefinition):
    _model.model_rebuild()


def json_schema() -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12) of a workflow definition."""
    schema = WorkflowDefinition.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Millrace workflow", **schema}

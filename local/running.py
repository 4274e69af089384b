"""What runs executions on the local stage: the worker, its interpreter, and the functions of nodes in this process."""

import asyncio
import contextlib
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from functions.housekeeping import core as housekeeping
from functions.nodes.agent import core as agent
from functions.nodes.agent.mcp_tools import McpTools
from functions.nodes.approval import core as approval
from functions.nodes.http import core as http
from functions.nodes.tool import core as tool
from functions.nodes.tool.registry import ToolServices
from local.bulk import feed_bulk_runs
from local.events import LocalEvents
from local.housekeeping import keep_house
from local.machines import Machines
from local.nested import NestedExecutions
from local.put_events import PutEvents
from local.queue import LocalAdmission, LocalQueue, LocalTaskCompletions
from local.stores import Stores
from local.tasks import LocalTasks
from local.wiring_events import dispatcher
from local.wiring_schedules import scheduler
from local.worker import Worker
from shared.adapters.http.client import GuardedClient
from shared.adapters.http.oauth2 import OAuth2Grants
from shared.adapters.postgres.flow import PostgresFlow
from shared.adapters.redis.result_cache import RedisResultCache
from shared.bulk.feeding import Feeding
from shared.clock import SystemClock
from shared.connections.resolve import Connections
from shared.egress import EgressPolicy
from shared.executions.starting import WorkflowStarts
from shared.executions.task_tokens import TaskTokens
from shared.ids import new_id
from shared.ports import TaskRunner, Tracing
from shared.settings import Settings
from shared.workflow.node_lambda import NodeServices, Run
from statemachines.interpreter import Interpreter

PARK_AFTER = timedelta(seconds=5)
"""Executions that only wait, and for longer than this, leave memory."""


@dataclass(frozen=True, slots=True)
class Running:
    """The worker, and the doors by which something reaches it."""

    worker: Worker
    queue: LocalQueue
    completions: LocalTaskCompletions
    tokens: TaskTokens
    runner: TaskRunner
    events: LocalEvents


def start(stack: AsyncExitStack, settings: Settings, stores: Stores, name: str) -> Running:
    """Starts the worker of this process, under a name that is the same after a restart; it ends with `stack`."""
    clock = SystemClock()
    tokens = TaskTokens(stores.secrets.derive("task tokens"))
    flow = PostgresFlow(stores.engine, clock)
    queue = LocalQueue(stores.queue, flow)
    connections = _connections(stack, settings, stores)
    services = NodeServices(
        blobs=stores.blobs,
        cache=RedisResultCache(stores.redis),
        connections=connections,
    )
    nested = NestedExecutions(stores.workflows, stores.executions, queue, clock)
    events = LocalEvents(stores.events)
    puts = PutEvents(events, stores.executions, clock)
    functions = _functions(stack, settings, stores, queue, connections)
    runner = LocalTasks(functions, services, nested, stores.approvals, puts)
    interpreter = Interpreter(
        journal=stores.journal,
        runner=runner,
        clock=clock,
        tokens=tokens,
        histories=stores.executions,
        park_after=PARK_AFTER,
    )
    worker = Worker(
        name=f"{name}/{new_id()}",
        interpreter=interpreter,
        backlog=stores.backlog,
        admission=LocalAdmission(flow, stores.admission),
        journal=stores.journal,
        machines=Machines(stores.workflows),
        clock=clock,
    )
    queue.attach(worker)
    completions = LocalTaskCompletions(stores.completions, worker)
    task = asyncio.create_task(worker.run(), name="worker")
    stack.push_async_callback(worker.stop)
    stack.push_async_callback(_ended, task)
    feeding = Feeding(stores.bulk_runs, stores.workflows, stores.blobs, queue, clock, worker.name)
    stack.push_async_callback(_ended, asyncio.create_task(feed_bulk_runs(feeding), name="bulk runs"))
    timed = scheduler(stores.engine, runner=runner, blobs=stores.blobs, queue=queue, clock=clock)
    stack.push_async_callback(_ended, asyncio.create_task(timed.run(), name="scheduler"))
    events.attach(listening := dispatcher(stores, queue=queue, clock=clock))
    stack.push_async_callback(_ended, asyncio.create_task(listening.run(), name="dispatcher"))
    keeping = keep_house(_housekeeping(settings, stores, completions))
    stack.push_async_callback(_ended, asyncio.create_task(keeping, name="housekeeping"))
    return Running(worker, queue, completions, tokens, runner, events)


def _housekeeping(settings: Settings, stores: Stores, completions: LocalTaskCompletions) -> housekeeping.Deps:
    return housekeeping.Deps(
        audit=stores.audit,
        archive=stores.archive,
        approvals=stores.approvals,
        completions=completions,
        secrets=stores.secrets,
        clock=SystemClock(),
        audit_kept=timedelta(days=settings.audit_retention_days),
    )


def _functions(
    stack: AsyncExitStack, settings: Settings, stores: Stores, queue: LocalQueue, connections: Connections
) -> dict[str, Run]:
    """The node functions, by the names that compiled definitions give them."""
    requests = http.http_deps(settings.allowed_hosts, stores.circuits)
    services = ToolServices(stores.blobs, stores.values, WorkflowStarts(stores.workflows, queue, SystemClock()))
    tracing = _tracing(stack, settings)
    tools = tool.tool_deps(settings.allowed_hosts, stores.circuits, services, tracing)
    mcp = McpTools(tools.requester, connections)
    agents = agent.AgentDeps(
        settings.default_model,
        turns=stores.turns,
        memory=stores.memory,
        mcp=mcp,
        feed=stores.feed,
        tracing=tracing,
    )
    asks = approval.ApprovalDeps(stores.approvals, stores.secrets, SystemClock())
    for deps in (requests, tools, agents):
        stack.push_async_callback(deps.aclose)
    return {
        "${AgentFunctionArn}": partial(agent.run, deps=agents),
        "${ApprovalFunctionArn}": partial(approval.run, deps=asks),
        "${HttpFunctionArn}": partial(http.run, deps=requests),
        "${ToolFunctionArn}": partial(tool.run, deps=tools),
    }


def _tracing(stack: AsyncExitStack, settings: Settings) -> Tracing | None:
    if settings.langfuse_public_key is None:
        return None
    from shared.adapters.langfuse import tracing  # noqa: PLC0415 - takes half a second, which few need

    found = tracing(settings)
    if found is not None:
        stack.push_async_callback(asyncio.to_thread, found.close)
    return found


def _connections(stack: AsyncExitStack, settings: Settings, stores: Stores) -> Connections:
    client = GuardedClient(EgressPolicy.parse(settings.allowed_hosts))
    stack.push_async_callback(client.aclose)
    return Connections(stores.connections, stores.secrets, OAuth2Grants(client, SystemClock()))


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

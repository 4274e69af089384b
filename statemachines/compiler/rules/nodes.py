"""What single nodes may say."""

import re
from collections.abc import Iterator
from datetime import datetime

from shared.workflow.definition import (
    AgentNode,
    AgentTool,
    ConditionNode,
    DelayNode,
    ForEachConfig,
    LoopNode,
    ParallelNode,
    Retry,
    ToolNode,
    TransformNode,
    WebhookNode,
)
from shared.workflow.expressions import source_of
from statemachines.asl.limits import MAX_INLINE_MAP_CONCURRENCY, MAX_RETRY_DELAY_SECONDS, MAX_WAIT_SECONDS
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.model import GraphNode

_FREE = (TransformNode, ConditionNode, DelayNode)
"""Nodes that Step Functions does by itself: nothing to retry, nothing to time."""

_CACHED = (AgentNode, ToolNode, WebhookNode)
_CONNECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def nodes(compilation: Compilation) -> None:
    """Checks every node that could be read."""
    for node in compilation.nodes.values():
        if node.spec is not None:
            for rule in _RULES:
                rule(compilation, node)


def _condition(compilation: Compilation, node: GraphNode) -> None:
    if not isinstance(node.spec, ConditionNode):
        return
    seen: set[str] = set()
    for index, case in enumerate(node.spec.config.cases):
        if case.case in seen:
            path = f"{node.path}.config.cases[{index}].case"
            message = f"The case '{case.case}' comes twice; only the first one could ever be taken."
            fix = "Join their conditions with `or`, or rename one."
            compilation.error("condition.case_duplicate", path, message, node=node.id, value=case.case, fix=fix)
        seen.add(case.case)
    if node.spec.config.default == "":
        path = f"{node.path}.config.default"
        fix = "Name it, or leave `default` out."
        compilation.error("field.invalid", path, "The default case has an empty name.", node=node.id, value="", fix=fix)
    if node.spec.on_error == "continue":
        message = "A condition that fails has chosen no case, so there is nowhere to continue."
        fix = "Use `default`, or an edge with `error: true`."
        path = f"{node.path}.on_error"
        compilation.error("condition.on_error", path, message, node=node.id, value="continue", fix=fix)


def _delay(compilation: Compilation, node: GraphNode) -> None:
    if not isinstance(node.spec, DelayNode):
        return
    config, path = node.spec.config, f"{node.path}.config"
    if (config.seconds is None) == (config.until is None):
        given = "neither is" if config.seconds is None else "both are"
        message = f"A delay takes `seconds` or `until`; {given} given."
        compilation.error("delay.one_of", path, message, node=node.id, fix="Give exactly one of them.")
    if isinstance(config.seconds, int) and not 0 <= config.seconds <= MAX_WAIT_SECONDS:
        allowed = f"0 to {MAX_WAIT_SECONDS}"
        message = f"`seconds` is {config.seconds}; a state can wait for {allowed}."
        where = f"{path}.seconds"
        fix = "Give a number in this range."
        compilation.error("delay.seconds", where, message, node=node.id, value=config.seconds, allowed=allowed, fix=fix)
    if config.until is not None and source_of(config.until) is None and not _is_time(config.until):
        message = f"`until` is {config.until!r}, which is no RFC 3339 time."
        where = f"{path}.until"
        fix = "Write it like '2026-01-31T09:00:00Z'."
        compilation.error("delay.until", where, message, node=node.id, value=config.until, fix=fix)


def _is_time(text: str) -> bool:
    try:
        return "T" in text and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _retry(compilation: Compilation, node: GraphNode) -> None:
    retry = node.spec.retry if node.spec else None
    if retry is None:
        return
    for field, value, message, fix in _retry_mistakes(retry):
        path = f"{node.path}.retry.{field}"
        compilation.error(f"retry.{field}", path, message, node=node.id, value=value, fix=fix)


def _retry_mistakes(retry: Retry) -> list[tuple[str, object, str, str]]:
    found: list[tuple[str, object, str, str]] = []
    if retry.errors == []:
        found.append(("errors", [], "No error is named, so nothing would be retried.", "Name some, or leave it out."))
    elif retry.errors and "States.ALL" in retry.errors and len(retry.errors) > 1:
        message = "`States.ALL` stands for every error and must stand alone."
        found.append(("errors", retry.errors, message, "Remove the other names."))
    delay = retry.max_delay_seconds
    if delay is not None and not retry.interval_seconds < delay <= MAX_RETRY_DELAY_SECONDS:
        message = f"`max_delay_seconds` is {delay}; it must be above `interval_seconds` ({retry.interval_seconds})."
        found.append(("max_delay_seconds", delay, message, f"Give {retry.interval_seconds + 1} or more."))
    return found


def _webhook(compilation: Compilation, node: GraphNode) -> None:
    if isinstance(node.spec, WebhookNode):
        url = node.spec.config.url
        if source_of(url) is None and not url.lower().startswith(("http://", "https://")):
            message = f"`url` is {url[:100]!r}; it must begin with https:// or http://."
            path = f"{node.path}.config.url"
            fix = "Give the whole address, or an expression."
            compilation.error("webhook.url", path, message, node=node.id, value=url[:200], fix=fix)


def _loop(compilation: Compilation, node: GraphNode) -> None:
    if isinstance(node.spec, LoopNode) and isinstance(node.spec.config, ForEachConfig):
        asked = node.spec.config.max_concurrency
        inline = node.spec.config.mode == "inline" or compilation.settings.mode == "express"
        if inline and asked > MAX_INLINE_MAP_CONCURRENCY:
            message = f"Step Functions runs at most {MAX_INLINE_MAP_CONCURRENCY} items of a loop at once, not {asked}."
            path = f"{node.path}.config.max_concurrency"
            more = {"value": asked, "allowed": MAX_INLINE_MAP_CONCURRENCY, "fix": "Lower it, or leave it out."}
            compilation.warn("loop.max_concurrency", path, message, node=node.id, **more)


def _without_effect(compilation: Compilation, node: GraphNode) -> None:
    """Said, not ignored: nodes that do no work have nothing to retry and nothing to time."""
    if not isinstance(node.spec, _FREE):
        return
    for field, value in (("retry", node.spec.retry), ("timeout_seconds", node.spec.timeout_seconds)):
        if value is not None:
            message = f"`{field}` has no effect on a node of type `{node.spec.type}`, which calls nothing."
            compilation.warn("node.no_effect", f"{node.path}.{field}", message, node=node.id, fix="Remove it.")


def _cache(compilation: Compilation, node: GraphNode) -> None:
    cache = node.spec.cache if node.spec else None
    if node.spec is None or cache is None:
        return
    if not isinstance(node.spec, _CACHED):
        message = f"`cache` has no effect on a node of type `{node.spec.type}`; only what a Lambda answers is kept."
        compilation.warn("node.no_effect", f"{node.path}.cache", message, node=node.id, fix="Remove it.")
    elif not cache.key.strip():
        message = "The key of the cache is empty, so every run would be given the same output."
        fix = "Name what the output depends on, for example `{% $input.id %}`."
        path = f"{node.path}.cache.key"
        compilation.error("cache.key", path, message, node=node.id, value=cache.key, fix=fix)


def _block_timeout(compilation: Compilation, node: GraphNode) -> None:
    """Refused: Step Functions has no construction that keeps its meaning; see ADR 11."""
    spec = node.spec
    if isinstance(spec, LoopNode | ParallelNode) and spec.timeout_seconds is not None:
        message = (
            f"A node of type `{spec.type}` cannot have a time-out: Step Functions times Tasks and executions only."
        )
        fix = (
            "Remove it and set `timeout_seconds` of the nodes inside or of the settings, or move the node into a"
            " workflow of its own, run by a node of type `workflow` with `timeout_seconds`."
        )
        more = {"value": spec.timeout_seconds, "fix": fix}
        compilation.error("node.block_timeout", f"{node.path}.timeout_seconds", message, node=node.id, **more)


def _connection(compilation: Compilation, node: GraphNode) -> None:
    """A name, so that it is known when publishing which connections a workflow uses; expressions are not evaluated."""
    for path, name in _connections(node):
        if not _CONNECTION.fullmatch(name):
            message = f"`connection` is {name[:100]!r}, which is no name of a connection."
            fix = "Name the connection as it is called in the project; to choose between some, use a condition."
            allowed = _CONNECTION.pattern
            more = {"value": name[:200], "allowed": allowed, "fix": fix}
            compilation.error("connection.name", f"{node.path}.config.{path}", message, node=node.id, **more)


def _connections(node: GraphNode) -> Iterator[tuple[str, str]]:
    if not isinstance(node.spec, AgentNode | ToolNode | WebhookNode):
        return
    if node.spec.config.connection is not None:
        yield "connection", node.spec.config.connection
    for index, tool in enumerate(node.spec.config.tools if isinstance(node.spec, AgentNode) else ()):
        if isinstance(tool, AgentTool) and tool.connection is not None:
            yield f"tools[{index}].connection", tool.connection


_RULES = (_condition, _delay, _retry, _webhook, _loop, _without_effect, _cache, _block_timeout, _connection)

"""One turn of an agent that runs as a loop of states: a question to the model, and what its answer asks for.

A turn that is finished is in the store before the state machine hears of it, so a retry, a crash or a redrive gives the
same result again, and no call of a model that was answered is made twice. Only a call under way may be repeated.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_ai import ModelRetry
from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import AgentRunError, UserError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from functions.nodes.agent.asking.providers import build
from functions.nodes.agent.asking.spending import cost_of, usage_of
from functions.nodes.agent.asking.streaming import Voice
from functions.nodes.agent.asking.traced import traced
from functions.nodes.agent.budget import Spent, allowance, estimate
from functions.nodes.agent.conversation import as_json, first_request, from_json, next_request
from functions.nodes.agent.core import AgentDeps, prompt_text
from functions.nodes.agent.demo import NOTE
from functions.nodes.agent.models import DEMO_MODEL, resolve
from functions.nodes.agent.replay import recorded_in, replayed
from functions.nodes.agent.toolbox import Toolbox
from functions.nodes.agent.turn import REPAIR_TURNS, Answer, translated
from shared.errors import (
    ModelRefused,
    ModelUnavailable,
    NodeConfigInvalid,
    NodeError,
    NodeStoreUnavailable,
    OutputInvalid,
    StoreUnavailable,
    TurnsExceeded,
)
from shared.ports import AgentMemory, AgentRun, AgentTurnRecord, AgentTurns, MemoryKey
from shared.workflow.definition import AgentConfig, AgentTool
from shared.workflow.node_call import AgentTurn, NodeCall, NodeResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.adapters.http.mcp import McpTool

ANSWER_TOOL = "final_result"


@dataclass(frozen=True, slots=True)
class Said:
    """A model's answer, and what it took."""

    response: ModelResponse
    meta: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a turn gives: an answer (`done`), calls to make, or what was wrong."""

    done: bool
    output: Any = None
    calls: tuple[dict[str, Any], ...] = ()
    mistakes: str = ""


class Loop:
    """The turns of one run of an agent."""

    def __init__(self, call: NodeCall, config: AgentConfig, deps: AgentDeps) -> None:
        self.call = call
        self.config = config
        self.deps = deps
        self.run = AgentRun(
            call.execution.project_id, call.execution.id, call.node, "-".join(str(index) for index in call.iteration)
        )
        self._voice: Voice | None = None
        self.toolbox = Toolbox(())  # filled when a model is asked: a turn that is finished needs none
        self.recording = recorded_in(call.execution.trigger)
        self.answer = Answer(config.output_schema) if config.output_schema is not None else None

    async def take(self, turn: AgentTurn) -> NodeResult:
        """The turn's `{number, done, output, calls}`.

        Raises:
            TurnsExceeded: it would be one more than `max_turns`.
            RecordingMissing: it is to be replayed, and was never recorded.
            BudgetExceeded: the call of the model could exceed the budget.
            ModelQuotaUsedUp: the project's tokens or dollars of the day are used up.
            OutputInvalid: the answer still does not match output_schema after the repair turns.
            NodeStoreUnavailable: the turns cannot be read or kept.
            NodeError: see `core.run`.
        """
        try:
            before = list(await self._turns.finished(self.run))
            repeated = turn.number < len(before)
            kept = before[turn.number] if repeated else await self._kept(turn, before)
            if self.recording is None:
                await self._remember(kept)
        except StoreUnavailable as error:
            raise NodeStoreUnavailable(
                f"The turns of agent '{self.call.node}' cannot be kept: {error.message}"
            ) from None
        return NodeResult(output=kept.output, meta=kept.meta | ({"repeated": True} if repeated else {}))

    async def only(self) -> NodeResult:
        """The answer of an agent without tools, whose state takes one turn. Raises as `take`, and OutputInvalid where
        the turn has none."""
        taken = await self.take(AgentTurn())
        if not taken.output["done"]:
            raise OutputInvalid(f"The agent '{self.call.node}' gave no answer: {taken.meta.get('mistakes')}")
        return NodeResult(output=taken.output["output"], meta=taken.meta)

    @property
    def _turns(self) -> AgentTurns:
        if self.deps.turns is None:
            raise NodeStoreUnavailable("This stage has no store for the turns of agents.")
        return self.deps.turns

    async def _kept(self, turn: AgentTurn, before: list[AgentTurnRecord]) -> AgentTurnRecord:
        if self.recording is None:
            taken = await self._new(turn, before)
        else:
            taken = await replayed(self._turns, self.run, self.recording, turn.number)
        return await self._turns.keep(self.run, taken)

    def _check_number(self, turn: AgentTurn, before: list[AgentTurnRecord]) -> None:
        if turn.number >= self.config.max_turns:
            raise TurnsExceeded(
                f"The agent '{self.call.node}' has no answer after {self.config.max_turns} turns. Raise `max_turns`, "
                "or tell it in `instructions` when to stop.",
                turns=self.config.max_turns,
            )
        if turn.number > len(before):
            raise NodeStoreUnavailable(f"Turn {len(before)} of agent '{self.call.node}' is not in the store.")

    async def _new(self, turn: AgentTurn, before: list[AgentTurnRecord]) -> AgentTurnRecord:
        self._check_number(turn, before)
        await self._turns.ensure_room(self.run.project_id)
        began = time.perf_counter()
        history = [message for record in before for message in from_json(record.messages)]
        if not before:
            history = from_json(await self._recall())
            request = first_request(prompt_text(self.config.prompt), self.config.instructions)
        else:
            last = before[-1]
            response = history[-1]
            assert isinstance(response, ModelResponse)  # noqa: S101 - every record ends with one
            mistakes = last.meta.get("mistakes", "")
            request = next_request(response, turn.results, mistakes, self.config.instructions)
        self.toolbox = Toolbox(self.config.tools, await self._offer())
        if self.config.stream and self.deps.feed is not None:
            self._voice = Voice(self.deps.feed, self.call, turn.number)
        said = await self._ask([*history, request], before)
        outcome = self._outcome(said.response, before)
        output = {"number": turn.number, "done": outcome.done, "output": outcome.output, "calls": list(outcome.calls)}
        meta = {"turn": turn.number, **said.meta, "duration_ms": round((time.perf_counter() - began) * 1000, 2)}
        if outcome.mistakes:
            meta["mistakes"] = outcome.mistakes
        added: list[ModelMessage] = [request, said.response]
        recalled = [] if before else history  # the first turn keeps what was remembered, as the model saw it
        return AgentTurnRecord(turn.number, as_json([*recalled, *added]), output, meta)

    async def _offer(self) -> "dict[int, Sequence[McpTool]]":
        if not any(isinstance(each, AgentTool) and each.mcp is not None for each in self.config.tools):
            return {}
        if self.deps.mcp is None:
            raise NodeConfigInvalid(f"Agent '{self.call.node}' uses an MCP server, which this stage cannot call.")
        return await self.deps.mcp.of(self.run.project_id, self.config.tools)

    async def _ask(self, messages: list[ModelMessage], before: list[AgentTurnRecord]) -> Said:
        """Asks the model, and where it cannot be had, the next of `fallback_models`."""
        spent = Spent()
        for record in before:
            spent.add(record.meta)
        failed: dict[str, str] = {}
        error: NodeError | None = None
        for wanted in (self.config.model, *self.config.fallback_models):
            try:
                name = resolve(wanted, self.deps.default_model, self.deps.environment)
                said = await self._ask_one(name, messages, spent)
            except (ModelUnavailable, ModelRefused) as problem:
                error = problem
                failed[wanted] = problem.message
                continue
            return Said(said.response, said.meta | ({"failed_models": failed} if failed else {}))
        raise error or ModelRefused("The agent names no model.")

    async def _ask_one(self, name: str, messages: list[ModelMessage], spent: Spent) -> Said:
        parameters = self._parameters()
        most = allowance(self.config.budget, spent, name, _size(messages, parameters))
        settings = ModelSettings(timeout=self.deps.request_seconds, max_retries=0)
        if most is not None:
            settings["max_tokens"] = most
        try:
            model = traced(await build(name, self.deps), self.deps.tracing, self.call)
            request = model_request if self._voice is None or name == DEMO_MODEL else self._voice.request
            response = await request(model, messages, model_settings=settings, model_request_parameters=parameters)
        except (AgentRunError, UserError) as error:
            raise translated(error, name, []) from None
        note = {"stand_in": True, "note": NOTE} if name == DEMO_MODEL else {}
        return Said(response, {"model": name, "usage": usage_of([response]), **cost_of([response]), **note})

    def _parameters(self) -> ModelRequestParameters:
        tools = self.toolbox.definitions()
        if self.answer is None:
            return ModelRequestParameters(function_tools=tools)
        answer = ToolDefinition(
            name=ANSWER_TOOL,
            description="Gives the final answer and ends the conversation.",
            parameters_json_schema=self.answer.schema,
            kind="output",
        )
        return ModelRequestParameters(
            function_tools=tools, output_tools=[answer], output_mode="tool", allow_text_output=False
        )

    def _outcome(self, response: ModelResponse, before: list[AgentTurnRecord]) -> Outcome:
        asked = [part for part in response.parts if isinstance(part, ToolCallPart)]
        answers = [part for part in asked if part.tool_name == ANSWER_TOOL and self.answer is not None]
        if answers:
            return self._checked(answers[0], before)
        if asked:
            return Outcome(done=False, calls=tuple(self.toolbox.call(part) for part in asked))
        text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
        if self.answer is None and text:
            return Outcome(done=True, output=text)
        wanted = f"Call {ANSWER_TOOL} with the answer." if self.answer else "Answer in words, or call a tool."
        return self._repair(f"There is no answer in this. {wanted}", before)

    def _checked(self, part: ToolCallPart, before: list[AgentTurnRecord]) -> Outcome:
        assert self.answer is not None  # noqa: S101 - for the type checker
        try:
            given = self.answer.check(part.args_as_dict(raise_if_invalid=True))
        except ModelRetry as retry:
            return self._repair(retry.message, before)
        except (ValueError, AssertionError, ValidationError):
            return self._repair("The arguments are not a JSON object.", before)
        return Outcome(done=True, output=self.answer.unwrap(given))

    def _repair(self, mistakes: str, before: list[AgentTurnRecord]) -> Outcome:
        repairs = sum("mistakes" in record.meta for record in before)
        if repairs >= REPAIR_TURNS:
            raise OutputInvalid(
                f"The agent '{self.call.node}' has no valid answer, also after {REPAIR_TURNS} repair turns: {mistakes}",
                mistakes=mistakes,
            )
        return Outcome(done=False, mistakes=mistakes)

    @property
    def _memory(self) -> tuple[AgentMemory, MemoryKey] | None:
        if self.config.memory is None:
            return None
        if self.deps.memory is None:
            raise NodeStoreUnavailable("This stage has no store for the memory of agents.")
        ref = self.call.execution
        return self.deps.memory, MemoryKey(ref.project_id, ref.workflow_id, self.call.node, self.config.memory.key)

    async def _recall(self) -> list[Any]:
        if self._memory is None or self.config.memory is None:
            return []
        memory, key = self._memory
        return await memory.recall(key, self.config.memory.window)

    async def _remember(self, kept: AgentTurnRecord) -> None:
        """The question and the answer; what tools said in between is of no use to a later run."""
        if self._memory is None or not kept.output["done"]:
            return
        memory, key = self._memory
        question = first_request(prompt_text(self.config.prompt), "")
        text = prompt_text(kept.output["output"])
        answer = ModelResponse(parts=[TextPart(text)])
        await memory.remember(key, self.run.execution_id, as_json([question, answer]))


def _size(messages: list[ModelMessage], parameters: ModelRequestParameters) -> int:
    """Tokens of the question at most: what was there before by its usage, the rest by its length."""
    known, fresh = 0, messages
    for index, message in enumerate(messages):
        if isinstance(message, ModelResponse) and message.usage.input_tokens:
            known, fresh = message.usage.input_tokens + message.usage.output_tokens, messages[index + 1 :]
    text = prompt_text(as_json(list(fresh)))
    if not known:
        text += str([(each.name, each.description, each.parameters_json_schema) for each in parameters.function_tools])
        text += str([each.parameters_json_schema for each in parameters.output_tools])
        text += "".join(each.instructions or "" for each in messages if isinstance(each, ModelRequest))
    return known + estimate(text)

"""Agents that take several turns: a loop of states, so that no finished turn is ever paid for again.

Terms:
  turn   one call of the agent's Lambda; it answers, or says which calls of tools it wants
  call   one use of a tool or of another workflow; those of one turn run at the same time
  way    the state that does a call: the tool Lambda, or the start of one of the workflows

Before:  agent `help` with tools, one of which needs an approval
After:   "help": Parallel of one branch, so that the loop has one result and can be caught:
         "help.turn": Task → "help.next": Choice → (done) "help.done": Succeed
                                                 → "help.calls": Map → "help.turn"
         and for each call, in the Map: "help.route": Choice → "help.approve": Task → "help.approved": Choice
                                                             → "help.call": Task

What a state can hand on is bounded, so the conversation is not in it: the Lambda keeps it. A call that fails or is
refused is a result like any other; the model reads why and goes on. Only the states that the config can need are there.
"""

import json
from typing import Any

from shared.workflow.definition import AgentConfig, AgentNode, AgentTool, ApprovalConfig
from statemachines.asl.model import Machine, Rule, State
from statemachines.compiler import approvals, steps, subworkflows
from statemachines.compiler.blocks import FIRST_RESULT, Blocks, States
from statemachines.compiler.exits import Exit
from statemachines.compiler.scope import Scope, jsonata

MAX_CALLS_AT_ONCE = 16
REFUSED = "ApprovalRefused"
"""The name of the error that a model reads where a person said no."""

_NEXT_TURN = jsonata("$states.input.number + 1")
_CALL = "$states.input.call"
_CALL_ID = jsonata(f"{_CALL}.id")
_CAUSE = "$exists($states.errorOutput.Cause) ? $states.errorOutput.Cause : ''"
"""Not every error has a cause."""
_PLACE = "$states.input.number & '.' & $states.input.index"
"""Which call of which turn, for the `step` of a NodeCall."""


def loops(config: AgentConfig) -> bool:
    """Whether the agent may take several turns: to use a tool, or to mend an answer that breaks its schema."""
    return bool(config.tools) or config.output_schema is not None


def workflows(config: AgentConfig) -> list[str]:
    """The workflows that the agent may call."""
    named = (tool.workflow for tool in config.tools if isinstance(tool, AgentTool))
    return list(dict.fromkeys(name for name in named if name is not None))


def agent(blocks: Blocks, leave: Exit, spec: AgentNode, scope: Scope, states: States) -> None:
    """Adds the state of a node of type `agent`."""
    if not loops(spec.config):
        states[spec.id] = leave.finish(steps.task(spec, scope), jsonata(steps.TASK_OUTPUT))
        return
    state: State = {
        "Type": "Parallel",
        "Arguments": {"number": 0, "results": []},
        "Branches": [_Loop(blocks, leave, spec, scope).machine()],
    }
    states[spec.id] = leave.finish(state, jsonata(FIRST_RESULT))


class _Loop:
    """The states around the turns."""

    def __init__(self, blocks: Blocks, leave: Exit, spec: AgentNode, scope: Scope) -> None:
        self.blocks, self.node, self.spec, self.scope = blocks, leave.node, spec, scope

    def machine(self) -> Machine:
        again = ["calls"] if self.spec.config.tools else []
        name = {role: self.blocks.helper(self.node, role) for role in ["done", *again, "next", "turn"]}
        states: States = {name["turn"]: self.turn(name["next"])}
        states[name["next"]] = self.after(name["done"], name.get("calls", name["turn"]))
        if again:
            states[name["calls"]] = self.calls(name["turn"])
        states[name["done"]] = {"Type": "Succeed", "Output": jsonata("$states.input.output")}
        return {"StartAt": name["turn"], "States": states}

    def turn(self, after: str) -> State:
        """The node's retry and time-out are those of each turn: what came before it is done."""
        turn = {"number": jsonata("$states.input.number"), "results": jsonata("$states.input.results")}
        state = steps.task(self.spec, self.scope, turn=turn, step=jsonata("'turn.' & $states.input.number"))
        for tool in state["Arguments"]["Payload"]["config"]["tools"]:
            if isinstance(tool, dict) and tool["workflow"] is not None and tool["input_schema"] is None:
                tool["input_schema"] = {"type": "object"}
        return {**state, "Output": jsonata(steps.TASK_OUTPUT), "Next": after}

    def after(self, done: str, again: str) -> State:
        """Without tools only a usable answer can be wanting, so the next turn follows at once."""
        rule: Rule = {"Condition": jsonata("$states.input.done = true"), "Output": jsonata("$states.input")}
        state: State = {"Type": "Choice", "Choices": [{**rule, "Next": done}], "Default": again}
        return state if self.spec.config.tools else {**state, "Output": {"number": _NEXT_TURN, "results": []}}

    def calls(self, turn: str) -> State:
        return {
            "Type": "Map",
            "Items": jsonata("$states.input.calls"),
            "ItemSelector": {
                "call": jsonata("$states.context.Map.Item.Value"),
                "number": jsonata("$states.input.number"),
                "index": jsonata("$states.context.Map.Item.Index"),
            },
            "MaxConcurrency": MAX_CALLS_AT_ONCE,
            "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, **_Call(self).machine()},
            "Output": {"number": _NEXT_TURN, "results": jsonata("$states.result")},
            "Next": turn,
        }


class _Call:
    """The states of one call, from the question whether a person must approve it to its result."""

    def __init__(self, loop: _Loop) -> None:
        self.loop, self.spec, self.scope = loop, loop.spec, loop.scope
        self.tools = [each for each in self.spec.config.tools if isinstance(each, AgentTool)]
        self.states: States = {}

    def machine(self) -> Machine:
        failed = self.helper("failed")
        ways = self.ways(failed)
        approvals_asked = [tool.approval for tool in self.tools]
        if not any(approvals_asked):
            start = self.choose("route", [], ways)
        else:
            start = self.approve(ways, failed)
            if len(approvals_asked) < len(self.spec.config.tools) or not all(approvals_asked):
                asked: Rule = {"Condition": jsonata(f"{_CALL}.approval = true"), "Next": start}
                start = self.choose("route", [asked], ways)
        self.states[failed] = {"Type": "Succeed"}
        return {"StartAt": start, "States": dict(reversed(self.states.items()))}

    def helper(self, role: str) -> str:
        return self.loop.blocks.helper(self.loop.node, role, iterated=True)

    def ways(self, failed: str) -> list[tuple[str, str]]:
        """(condition, state) for each way to do a call; the last one is taken where no other is."""
        found = []
        for number, workflow in enumerate(workflows(self.spec.config), start=1):
            state = self.helper(f"workflow_{number}")
            self.states[state] = self.caught(self.started(workflow), subworkflows.OUTPUT, failed)
            found.append((f"{_CALL}.kind = 'workflow' and {_CALL}.config.workflow = {json.dumps(workflow)}", state))
        if any(isinstance(each, str) or each.workflow is None for each in self.spec.config.tools):
            state = self.helper("call")
            self.states[state] = self.caught(self.called(), steps.TASK_OUTPUT, failed)
            found.append(("", state))
        return found

    def called(self) -> State:
        """Tried again as the agent's turns are: a tool gets the same idempotency key each time."""
        step = jsonata(f"'call.' & {_PLACE}")
        call = steps.node_call(self.spec, "tool", jsonata(f"{_CALL}.config"), self.scope, step=step)
        state: State = {**steps.invoke("tool", call), **steps.retry_of(self.spec, steps.DEFAULT_RETRY)}
        return steps.timed(self.spec, state)

    def started(self, workflow: str) -> State:
        child = subworkflows.child_id(self.spec, self.scope, f"'call.' & {_PLACE}")
        value = jsonata(f"{_CALL}.config.input")
        return subworkflows.start(self.spec, workflow, value, child, self.scope, wait=True)

    def caught(self, state: State, output: str, failed: str) -> State:
        """A call's state: what came of it is the result, whatever it is."""
        error = {"name": jsonata("$states.errorOutput.Error"), "cause": jsonata(_CAUSE)}
        catch = steps.catcher({}, {"id": _CALL_ID, "error": error}, failed)
        return {**state, "Output": {"id": _CALL_ID, "output": jsonata(output)}, "Catch": [catch], "End": True}

    def choose(self, role: str, rules: list[Rule], ways: list[tuple[str, str]]) -> str:
        """The state that the first rule that holds leads to, or else a way; a Choice where there is one to make."""
        *others, (_, default) = ways
        choices = rules + [{"Condition": jsonata(condition), "Next": state} for condition, state in others]
        if not choices:
            return default
        name = self.helper(role)
        self.states[name] = {"Type": "Choice", "Choices": choices, "Default": default}
        return name

    def approve(self, ways: list[tuple[str, str]], failed: str) -> str:
        """Asks a person, and goes on where the answer is yes."""
        refused = self.helper("refused")
        cause = "'The call was not approved.' & ($states.input.decision.comment ? ' ' & $states.input.decision.comment)"
        error = {"name": REFUSED, "cause": jsonata(cause)}
        self.states[refused] = {"Type": "Succeed", "Output": {"id": _CALL_ID, "error": error}}
        no: Rule = {"Condition": jsonata("($states.input.decision.approved = true) = false"), "Next": refused}
        approved = self.choose("approved", [no], ways)
        name = self.helper("approve")
        asked = self.caught(approvals.ask(self.question()), "", failed)
        asked.pop("End")
        decided = {
            "call": jsonata(_CALL),
            "number": jsonata("$states.input.number"),
            "index": jsonata("$states.input.index"),
            "decision": jsonata(approvals.DECISION),
        }
        self.states[name] = {**asked, "Output": decided, "Next": approved}
        return name

    def question(self) -> dict[str, Any]:
        """The NodeCall of an approval, with the config that a node of this type would have."""
        who = json.dumps(self.spec.name or self.spec.id, ensure_ascii=False)
        what = f"($exists({_CALL}.config.tool) ? {_CALL}.config.tool : {_CALL}.config.workflow)"
        title = jsonata(f"{who} & ' asks to call ' & {what}")
        config = ApprovalConfig(title="", description="").model_dump(mode="json")
        config |= {"title": title, "description": jsonata(f"$string({_CALL}.config, true)")}
        step = jsonata(f"'approval.' & {_PLACE}")
        return steps.node_call(self.spec, "approval", config, self.scope, step=step)

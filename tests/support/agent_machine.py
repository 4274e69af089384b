"""Plays the state machine of an agent: it takes turns, makes the calls that they ask for, and hands in what came of
them. `tools` are functions of the arguments, by the name of the tool or the workflow."""

import inspect
from dataclasses import dataclass, field

from functions.nodes.agent.core import AgentDeps, run
from shared.ids import new_id
from shared.workflow.node_call import NodeCall
from tests.functions.nodes.conftest import EXECUTION


@dataclass
class Machine:
    deps: AgentDeps
    config: dict
    tools: dict = field(default_factory=dict)
    execution_id: str = field(default_factory=new_id)
    metas: list = field(default_factory=list)
    made: list = field(default_factory=list)
    trigger: dict = field(default_factory=dict)

    async def turn(self, number, results=()):
        call = {
            "node": "agent",
            "type": "agent",
            "config": {"model": "openai:tested", "prompt": "Go.", **self.config},
            "execution": EXECUTION | {"id": self.execution_id, "trigger": self.trigger},
            "turn": {"number": number, "results": list(results)},
        }
        taken = await run(NodeCall.model_validate(call), self.deps)
        self.metas.append(taken.meta)
        return taken.output

    async def run(self):
        number, results = 0, []
        while not (output := await self.turn(number, results))["done"]:
            results = [await self.call(each) for each in output["calls"]]
            number = output["number"] + 1
        return output["output"]

    async def call(self, wanted):
        self.made.append(wanted)
        config = wanted["config"]
        outcome = self.tools.get(config.get("tool") or config.get("workflow"))
        if outcome is None:
            return {"id": wanted["id"], "error": {"name": "NodeConfigInvalid", "cause": "no such tool"}}
        output = outcome(config.get("arguments", config.get("input")))
        return {"id": wanted["id"], "output": await output if inspect.isawaitable(output) else output}

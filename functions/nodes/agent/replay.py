"""Turns of an agent as another execution recorded them: no model is asked and no tool called.

An execution that is started with `replay` gives its agents what they were told then, so that what comes after them can
be tried again and again, at no cost and without touching anything outside.
"""

from dataclasses import replace
from typing import Any

from shared.errors import RecordingMissing
from shared.ports import AgentRun, AgentTurnRecord, AgentTurns


def recorded_in(trigger: dict[str, Any]) -> str | None:
    """The execution whose turns are to be taken, by what started this one."""
    found = trigger.get("replay_of")
    return None if found is None else str(found)


async def replayed(turns: AgentTurns, run: AgentRun, source: str, number: int) -> AgentTurnRecord:
    """The recorded turn: it asks for no calls, whose results the next recorded turn has read already.

    Raises:
        RecordingMissing: the execution has no such turn of this node.
    """
    finished = await turns.finished(replace(run, execution_id=source))
    if number >= len(finished):
        raise RecordingMissing(
            f"The execution {source} recorded {len(finished)} turns of agent '{run.node}'; turn {number} is needed. "
            "Replay one in which this agent finished, or run without `replay`.",
            execution_id=source,
        )
    was = finished[number]
    nothing = {"requests": 0, "input_tokens": 0, "output_tokens": 0}
    meta = {"turn": number, "model": was.meta.get("model"), "usage": nothing, "replay_of": source}
    if "mistakes" in was.meta:
        meta["mistakes"] = was.meta["mistakes"]
    return replace(was, output={**was.output, "calls": []}, meta=meta)

"""What the shape of a workflow costs, in words: which nodes share a state, and where branches wait for one another."""

from collections.abc import Iterator, Mapping
from typing import Any

from statemachines.asl.model import Machine, State
from statemachines.plan.model import Barrier, FusedState

_HELPERS = ("gate", "return")


def fused(meanings: Mapping[str, Mapping[str, Any]]) -> list[FusedState]:
    """The states that do the work of several nodes."""
    found = []
    for name, meaning in meanings.items():
        if others := list(meaning.get("fused", [])):
            own = [meaning["node"]] if meaning.get("node") else []
            found.append(FusedState(state=name, nodes=[*own, *others]))
    return found


def barriers(asl: Machine, meanings: Mapping[str, Mapping[str, Any]]) -> list[Barrier]:
    """The forks of which a branch is guarded, and the guards that stand alone."""
    found = []
    for machine in _machines(asl):
        for name, state in machine["States"].items():
            role = meanings.get(name, {}).get("role")
            if role == "fork" and (barrier := _fork(name, state, meanings)):
                found.append(barrier)
            elif role == "gate" and machine["StartAt"] != name:
                unit = name.removesuffix(".gate")
                found.append(Barrier(state=name, waits_for=[unit], gates=[name], transitions=1))
    return found


def _fork(name: str, state: State, meanings: Mapping[str, Mapping[str, Any]]) -> Barrier | None:
    own = {each for branch in state["Branches"] for each in branch["States"]}
    gates = sorted(each for each in own if meanings.get(each, {}).get("role") == "gate")
    if not gates:
        return None
    helpers = [each for each in own if meanings.get(each, {}).get("role") in _HELPERS]
    nodes = {str(meanings[each]["node"]): None for each in own if meanings.get(each, {}).get("node")}
    return Barrier(state=name, waits_for=sorted(nodes), gates=gates, transitions=1 + len(helpers))


def _machines(machine: Machine) -> Iterator[Machine]:
    waiting = [machine]
    while waiting:
        each = waiting.pop(0)
        yield each
        for state in each["States"].values():
            waiting.extend(state.get("Branches", []))
            if "ItemProcessor" in state:
                waiting.append(state["ItemProcessor"])


def lines(shared: list[FusedState], waits: list[Barrier], unbounded: list[str]) -> list[str]:
    """For people."""
    found = [f"{each.state} does {_listed(each.nodes)} in one state." for each in shared]
    for barrier in waits:
        if barrier.gates == [barrier.state]:
            found.append(f"{barrier.state} asks whether {barrier.waits_for[0]} runs: 1 transition.")
        else:
            found.append(
                f"{barrier.state} is a barrier: what follows waits for {_listed(barrier.waits_for)}, whichever of them "
                f"run; it costs {barrier.transitions} transitions at most."
            )
    return found + [f"{each} has no bound: its list may have any length." for each in unbounded]


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)

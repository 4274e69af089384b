"""One scope of a machine while states move in it."""

from collections.abc import Mapping
from typing import Any

from statemachines.asl.model import Catcher, Machine, Retrier
from statemachines.compiler.fusing import text
from statemachines.compiler.fusing.model import ABSENT, Entry, Host, Way, hosts_of

_EVALUATION = frozenset({"States.ALL", "States.TaskFailed", "States.QueryEvaluationError"})
_OF_THE_STATE = ("input", "result", "errorOutput")


class Scope:
    """`before`: by state the ways that lead to it. `entered`: states that something else leads to, too."""

    def __init__(
        self, machine: Machine, meanings: Mapping[str, dict[str, Any]], variable_of: Mapping[str, str]
    ) -> None:
        self.machine = machine
        self.variable_of = variable_of
        self.hosts = {host.name: host for host in hosts_of(machine, meanings, variable_of)}
        self.entered = {machine["StartAt"]}
        self.before: dict[str, list[Way]] = {name: [] for name in self.hosts}
        self.removed: list[str] = []
        self.catchers: dict[str, list[Catcher]] = {}
        for host in self.hosts.values():
            for catcher in host.state.get("Catch", []):
                self.catchers.setdefault(catcher["Next"], []).append(catcher)
            for way in host.ways:
                if way.target is not None:
                    self.before[way.target].append(way)
        self.entered.update(self.catchers)

    def movable(self, host: Host) -> bool:
        """Whether it is a Pass that would do the same in another state."""
        way = host.own if host.ways else None
        if host.kind != "Pass" or way is None or way.output is ABSENT:
            return False
        if way.target is not None and way.output != {}:
            if host.node is None or self.variable_of[host.node] in way.latest or way.output_binds:
                return False
            self.keep(host)
        templates = [*(entry.template for entry in way.entries), way.output]
        return not any(text.reads_states(each, *_OF_THE_STATE) for each in templates)

    def keep(self, host: Host) -> None:
        """Gives the output of the host's node a variable, so that it is known where the state's Output is not its."""
        way = host.own
        if host.node is not None and self.variable_of[host.node] not in way.latest:
            way.add([Entry(self.variable_of[host.node], way.output, host.node)])
            way.output = {}

    def follows(self, host: Host) -> bool:
        """Whether something may be evaluated on its ways out that it neither tries again nor catches."""
        return not host.state.get("Catch") and not any(_tries(each) for each in host.state.get("Retry", []))

    def retarget(self, way: Way, target: str) -> None:
        """Leads the way elsewhere."""
        if way.target is not None:
            self.before[way.target].remove(way)
        way.target = target
        self.before[target].append(way)

    def remove(self, host: Host) -> None:
        """Takes out a host whose work is done elsewhere; nothing may lead to it any more."""
        for way in host.ways:
            if way.target is not None:
                self.before[way.target].remove(way)
        del self.hosts[host.name], self.before[host.name]
        self.removed.append(host.name)

    def skip(self, host: Host, target: str) -> None:
        """Takes out a host in whose place `target` is entered."""
        for way in list(self.before[host.name]):
            self.retarget(way, target)
        if host.name in self.entered:
            self.entered.add(target)
        if self.machine["StartAt"] == host.name:
            self.machine["StartAt"] = target
        for catcher in self.catchers.pop(host.name, []):
            catcher["Next"] = target
            self.catchers.setdefault(target, []).append(catcher)
        self.remove(host)


def _tries(retrier: Retrier) -> bool:
    return not _EVALUATION.isdisjoint(retrier["ErrorEquals"])

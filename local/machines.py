"""Compiled workflows, ready to run; the newest ones are kept in memory."""

from collections import OrderedDict
from dataclasses import dataclass

from shared.ports import WorkflowStore
from statemachines.interpreter import Machine

_KEPT = 256


@dataclass(frozen=True, slots=True)
class Loaded:
    machine: Machine
    workflow_name: str
    mode: str
    """durable or express."""
    limited: bool
    """Whether the workflow limits how many of its executions run at once."""


class Machines:
    """Versions of workflows never change, so what was loaded stays right."""

    def __init__(self, workflows: WorkflowStore) -> None:
        self._workflows = workflows
        self._loaded: OrderedDict[tuple[str, int], Loaded] = OrderedDict()

    async def load(self, workflow_id: str, version: int) -> Loaded:
        """Raises LookupError where there is no such version."""
        key = (workflow_id, version)
        loaded = self._loaded.get(key)
        if loaded is None:
            stored = await self._workflows.version(workflow_id, version)
            if stored is None:
                raise LookupError(f"workflow {workflow_id} has no version {version}")
            settings = stored.definition.get("settings") or {}
            loaded = Loaded(
                machine=Machine.load(stored.asl),
                workflow_name=stored.definition["name"],
                mode=settings.get("mode", "durable"),
                limited=any(settings.get(name) is not None for name in ("max_concurrency", "flow_control")),
            )
            self._loaded[key] = loaded
            if len(self._loaded) > _KEPT:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(key)
        return loaded

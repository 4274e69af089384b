"""What an execution of a workflow takes, and costs: counted in the emitted states, before anything runs."""

from statemachines.plan.make import Planner
from statemachines.plan.model import Plan, Spend
from statemachines.plan.recorded import amounts_of, children_of

__all__ = ["Plan", "Planner", "Spend", "amounts_of", "children_of"]

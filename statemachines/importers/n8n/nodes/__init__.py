"""One module for each family of n8n's nodes; importing this package registers all of them."""

from statemachines.importers.n8n.nodes import (
    agent,
    branches,
    code,
    dates,
    fields,
    flow,
    http,
    lists,
    merge,
    subworkflow,
)

__all__ = ["agent", "branches", "code", "dates", "fields", "flow", "http", "lists", "merge", "subworkflow"]

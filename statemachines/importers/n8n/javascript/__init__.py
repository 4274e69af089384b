"""JavaScript to JSONata, as far as both say the same."""

from statemachines.importers.n8n.javascript.scope import Roots
from statemachines.importers.n8n.javascript.script import mapping
from statemachines.importers.n8n.javascript.translate import expression

__all__ = ["Roots", "expression", "mapping"]

"""n8n workflows as Millrace workflows; docs/import-n8n.md says what is kept and what differs."""

from statemachines.importers.n8n.importer import import_n8n
from statemachines.importers.n8n.result import Imported, Level, ReportLine, TriggerSuggestion

__all__ = ["Imported", "Level", "ReportLine", "TriggerSuggestion", "import_n8n"]

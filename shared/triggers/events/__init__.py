"""Events on the project's bus, and the patterns by which triggers choose among them."""

from shared.triggers.events.pattern import Pattern, compile_pattern

__all__ = ["Pattern", "compile_pattern"]

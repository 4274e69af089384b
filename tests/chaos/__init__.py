"""Kills the local stage, its stores and its workers under a mixed load, and holds what is left to what was promised."""

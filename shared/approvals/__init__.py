"""Approvals: questions to people, which executions wait for."""

"""Bulk runs: one workflow, many inputs."""

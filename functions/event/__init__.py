"""Events: which executions they start."""

"""The Lambda of the node type `approval`."""

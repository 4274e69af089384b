"""x."""

CASES = []

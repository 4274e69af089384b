"""The Lambda that asks sources what is new."""

"""The Lambda that schedules call."""

"""The Lambda that does the steps of bulk runs."""

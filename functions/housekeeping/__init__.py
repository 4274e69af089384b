"""The Lambda that removes what is old enough, and does what a crash left undone."""

"""`python -m local.cli`, for where the `millrace` script is not on the path."""

from local.cli import main

main()

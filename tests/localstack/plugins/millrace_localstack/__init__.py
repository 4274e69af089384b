"""What LocalStack needs to run without Docker and without downloads."""

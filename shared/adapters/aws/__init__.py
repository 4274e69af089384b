"""What runs on AWS, or on an emulator of it: `AWS_ENDPOINT_URL` says which. boto3 blocks, so it runs in threads."""

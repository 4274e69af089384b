"""What is proven of a machine before it is published: that its history and its payloads fit."""

"""What may be lost, on Redis or Valkey. One module a port: not every function holds what each of them needs."""

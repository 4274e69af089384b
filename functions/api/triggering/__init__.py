"""From what a caller asks for to a stored trigger, one module for each kind."""

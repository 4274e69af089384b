"""What the pass `fuse` is made of.

plain, text   JSONata text: what may be bound to a name, and templates as one expression
model         states as the pass sees them: hosts, ways, entries
binding       how an entry reads what a way has assigned before it
upwards       moves of a Pass into the ways that lead to it
downwards     moves of a Pass into the state that follows it
write         hosts back into states and into the source map
"""

"""Who did what to what, and the proof that nobody changed the record."""

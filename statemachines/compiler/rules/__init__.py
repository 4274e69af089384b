"""What a definition must keep beyond its shape: one file for each thing that rules are about.

A rule looks at the graphs of a compilation and adds diagnostics; rules know nothing of one another.
"""

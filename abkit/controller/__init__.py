"""Use cases: what a person or a program asks of abkit, in one call each."""

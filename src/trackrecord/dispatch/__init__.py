"""Dispatch: what gets runs going, and what becomes of runs that nobody carries any more. Step 3 of the walk."""

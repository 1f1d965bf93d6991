"""Engines: what carries a run out. They reach the outside only through RunContext and know nothing of tables."""

"""Plugins: what an agent may call. Protocol, registry, built-ins and Python functions; knows nothing of runs or tables."""

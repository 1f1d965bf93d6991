"""Plugins: what an agent may call. Protocol, registry, built-ins, Python functions; knows nothing of runs or tables."""

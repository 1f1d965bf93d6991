"""Drawings of workflows and of runs: a small tree of what is drawn, and the ways it is drawn.

`workflow`, `loop` and `calls` make the tree from definitions and spans, `standing` says how each part of it went,
`folding` bounds it, `mermaid` and `svg` draw it. Never reads a database or a file, never writes one.
"""

"""Workflows: the grammar of steps, their plan, expressions, conditions, transforms, declared counts.

Pure: nothing in here reaches outside, reads a clock or runs a step. Engines read what this room has checked.
"""

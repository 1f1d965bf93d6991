"""MCP servers as plugins: what the operator's file names, what was approved of it, and the conversation with each.

Never offers a tool that nobody approved, never hands a server a secret that is not its own, and loads the package `mcp`
with the first conversation, not before.
"""

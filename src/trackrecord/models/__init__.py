"""Models: our own message types, the scripted model, and the edge to real providers. One request, one reply; no loop."""

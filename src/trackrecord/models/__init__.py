"""Models: our own message types, the scripted model, the edge to real providers. One request, one reply; no loop."""

"""The contestants, one module each; every one runs in a process of its own, a peer's in an environment of its own."""

"""The outbound guard: the only way by which the plugins of this package reach the network.

Judges the addresses a host resolves to, never the text of the host; connects to an address it has judged. Knows nothing
of runs. `addresses` decides, `guard` resolves and connects, `decoding` bounds bodies, `exchange` sends a request.
"""

"""Run AI agents through any engine and keep one complete record of every run, exactly once.

`Agent` is a definition, `Trackrecord` runs it, `Run` is what came of it. Names are loaded when first used, so that
importing the package is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trackrecord.agent import Agent
    from trackrecord.errors import TrackrecordError
    from trackrecord.handles import Run
    from trackrecord.plugins.functions import FunctionPlugin
    from trackrecord.record.execution_data import AgentExecutionData
    from trackrecord.record.record import Record
    from trackrecord.sync import SyncTrackrecord
    from trackrecord.wiring import Trackrecord

__version__ = "0.1.0"

_HOMES = {
    "Agent": "trackrecord.agent",
    "AgentExecutionData": "trackrecord.record.execution_data",
    "FunctionPlugin": "trackrecord.plugins.functions",
    "Record": "trackrecord.record.record",
    "Run": "trackrecord.handles",
    "SyncTrackrecord": "trackrecord.sync",
    "Trackrecord": "trackrecord.wiring",
    "TrackrecordError": "trackrecord.errors",
}

__all__ = [
    "Agent",
    "AgentExecutionData",
    "FunctionPlugin",
    "Record",
    "Run",
    "SyncTrackrecord",
    "Trackrecord",
    "TrackrecordError",
]


def __getattr__(name: str) -> object:
    """Load a public name from its home."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'trackrecord' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    """Public names, for completion."""
    return [*__all__, "__version__"]

"""The Orchestrator: carries out an agent's workflow. Schedules, never measures; all effects go through the context."""

from trackrecord.engines.orchestrator.engine import Orchestrator

__all__ = ["Orchestrator"]

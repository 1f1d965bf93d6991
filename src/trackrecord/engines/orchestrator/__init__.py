"""The Orchestrator: carries out an agent's workflow of steps. Schedules, never measures; every effect goes through the context."""

from trackrecord.engines.orchestrator.engine import Orchestrator

__all__ = ["Orchestrator"]

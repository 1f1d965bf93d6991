"""The agent definition: YAML or JSON in, validated and frozen; version hash.

Owns what an agent file may say. Never runs anything and never learns which engine will.
"""

from trackrecord.agent.agent import Agent, AgentStatus
from trackrecord.agent.policies import Limits, MemoryPolicy, PayloadPolicy, PluginNeed

__all__ = ["Agent", "AgentStatus", "Limits", "MemoryPolicy", "PayloadPolicy", "PluginNeed"]

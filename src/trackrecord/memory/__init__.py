"""Memory: what earlier runs left for later ones. Pure over rows it is given: no database, no clock, no model."""

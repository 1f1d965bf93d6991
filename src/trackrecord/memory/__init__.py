"""Memory: what earlier runs left for later ones. Pure over rows it is given; never reads a database, a clock or a model."""

"""The trading side of the simulated broker: orders, fills, positions and money."""

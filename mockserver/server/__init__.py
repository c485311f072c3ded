"""Connections of clients: listeners, wires, and a handler for each connection."""

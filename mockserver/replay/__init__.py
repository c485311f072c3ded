"""Recorded sessions played to a client, and recorded from a real server."""

"""Errors first."""

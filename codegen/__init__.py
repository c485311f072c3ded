"""Generates typed bindings from .proto files of the cTrader Open API; imports no client code."""

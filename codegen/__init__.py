"""Generates typed bindings from .proto files of the cTrader Open API; knows nothing of the client."""

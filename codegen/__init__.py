"""Generates the typed bindings from the .proto files of the cTrader Open API; imports nothing of the client."""

"""Orders that this client follows, from the request to the last fill, over reconnects."""

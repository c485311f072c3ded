"""The client's pure decisions: requests, rate limits, keepalive, backoff, the session, streams."""

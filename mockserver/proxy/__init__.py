"""The simulated proxy: log-ins, sessions, rate limits and heartbeats."""

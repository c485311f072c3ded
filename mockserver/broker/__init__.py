"""The simulated broker: a market that moves by itself and accounts that trade on it.

Pure and deterministic: the same seed and the same requests give the same bytes.
"""

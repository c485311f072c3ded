"""Session files: recorded conversations, as JSON Lines."""

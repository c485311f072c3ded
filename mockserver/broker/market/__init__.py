"""The market side of the simulated broker: prices, subscriptions and history."""

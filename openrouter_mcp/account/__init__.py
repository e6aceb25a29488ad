"""The account: key, credits, usage, generations."""

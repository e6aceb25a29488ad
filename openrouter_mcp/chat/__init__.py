"""Conversations, comparisons and text completion, from their arguments to their replies."""

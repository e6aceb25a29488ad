"""A small OpenRouter on loopback: for the demo, the tests and people without a key."""

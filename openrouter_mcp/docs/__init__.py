"""The search of OpenRouter's documentation."""

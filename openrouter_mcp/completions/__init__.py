"""One request to a chat or completion endpoint, and its answer. No money here."""

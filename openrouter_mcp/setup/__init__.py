"""What users run once: the entry in their clients, the key, and what mends a fault."""

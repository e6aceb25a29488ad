"""Which few models to advise for a task."""

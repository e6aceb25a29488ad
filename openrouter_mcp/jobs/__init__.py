"""A paid call that became a job: it goes on, is kept, and survives a restart."""

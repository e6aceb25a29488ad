"""What outlives the process: one SQLite file and documents on disk, shared by many processes."""

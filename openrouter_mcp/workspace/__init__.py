"""A scratch copy of a folder in which a model works, and the patch that comes of it."""

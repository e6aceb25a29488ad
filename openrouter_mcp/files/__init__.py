"""Files that callers name, on their way in; files that the server writes, on their way out."""

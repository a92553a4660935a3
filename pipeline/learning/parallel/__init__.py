"""Tasks shared out to threads and to processes (ranks); the result is that of one process."""

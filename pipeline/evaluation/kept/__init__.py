"""Studies that are kept in git: what is kept of a run, and the documents that are made of it."""

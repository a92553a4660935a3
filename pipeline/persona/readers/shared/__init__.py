"""What formats share: files and their lines, JSON in pieces, a view for each speaker, dates."""

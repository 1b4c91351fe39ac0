"""Database migrations between two versions: found in a git repository, classified, compared with the database."""

"""Backups of a database: taken, proven, listed, brought back. See the README beside this."""

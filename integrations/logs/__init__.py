"""Logs: files, the journal, pods, Swarm services, and whatever a program prints."""

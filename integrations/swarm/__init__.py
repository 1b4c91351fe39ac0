"""Docker Swarm services, taken back by explicit, version-guarded updates to a recorded spec."""

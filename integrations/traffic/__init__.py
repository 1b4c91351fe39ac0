"""Traffic steering: how much of what users ask for reaches a service, set in stages and measured."""

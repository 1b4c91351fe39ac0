"""A small web shop with good and bad releases, kept running by a supervisor: what the demo rolls back."""

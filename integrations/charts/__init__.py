"""Pictures of an incident, drawn with matplotlib in a process of their own."""

"""`kaeru quarantine`: the versions that are not gone back to."""

from bot.cli.lazy import LazyGroup

quarantine = LazyGroup(
    name="quarantine",
    help="See and lift the quarantine of bad versions. A version is quarantined when a rollback leaves it.",
    lazy={
        "list": ("bot.cli.quarantine_commands:list_", "List the quarantined versions."),
        "lift": (
            "bot.cli.quarantine_commands:lift",
            "Vouch for VERSION, so that it can be gone back to again.",
        ),
    },
)

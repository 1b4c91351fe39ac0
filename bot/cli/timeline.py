"""`kaeru timeline`: read, search, verify and export what was kept."""

from bot.cli.lazy import LazyGroup

timeline = LazyGroup(
    name="timeline",
    help="Read, search, verify and export an incident's timeline.",
    lazy={
        "show": ("bot.cli.timeline_read:show", "Print everything in the order in which it happened."),
        "search": ("bot.cli.timeline_read:search", "Print the entries in which TEXT occurs."),
        "verify": ("bot.cli.timeline_verify:verify", "Walk the hash chain of INCIDENT."),
        "export": ("bot.cli.timeline_export:export", "Write the timeline as Markdown or JSON."),
    },
)

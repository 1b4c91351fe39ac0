"""The command line. Each command is small, says what it did, and exits with 0, 1 (it failed) or 2 (wrong words)."""

import io
import sys

import click

from bot.cli.lazy import LazyGroup

cli = LazyGroup(
    name="kaeru",
    help="Kaeru takes a bad production deploy back to the last good version and runs the incident around it.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    lazy={
        "run": ("bot.cli.run:run", "Run the bot until it is told to stop."),
        "demo": ("bot.cli.demo:demo", "Play a rollback on this machine, without a Slack account."),
        "check": ("bot.cli.check:check", "Look at everything that would fail later."),
        "schema": ("bot.cli.schema:schema", "Print the JSON Schema of kaeru.yml."),
        "rollback": (
            "bot.cli.rollback:rollback",
            "Ask for a rollback of SERVICE, or join the one that is open.",
        ),
        "backup": ("bot.cli.backup:backup", "Take a backup of SERVICE's DATABASE now."),
        "backups": ("bot.cli.backup:backups", "List the backups of SERVICE's databases"),
        "backup-verify": (
            "bot.cli.backup:backup_verify",
            "Prove a backup again",
        ),
        "restore": (
            "bot.cli.restore:restore",
            "Ask for a backup of SERVICE's DATABASE to be brought back",
        ),
        "incident": ("bot.cli.incident:incident", "Follow an incident and decide in it."),
        "timeline": ("bot.cli.timeline:timeline", "Read, search, verify and export an incident's timeline."),
        "postmortem": ("bot.cli.postmortem:postmortem", "Write the postmortem of INCIDENT into a folder."),
        "quarantine": ("bot.cli.quarantine:quarantine", "See and lift the quarantine of bad versions."),
        "stats": (
            "bot.cli.stats:stats",
            "Show numbers over all incidents.",
        ),
        "status": (
            "bot.cli.status:status",
            "Show what is open, what waits for Slack, and what was given up.",
        ),
    },
)
click.version_option(package_name="kaeru")(cli)


def main() -> None:
    """Run the command line. What a person can mend is one sentence on standard error, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without arrows still gets the words
    try:
        done = cli.main(prog_name="kaeru", standalone_mode=False)
    except click.exceptions.Abort as error:
        # A question that nobody can answer ends like this as well; only an interruption has a cause.
        unanswered = error.__cause__ is None and not (sys.stdin and sys.stdin.isatty())
        _fail(
            "Stopped: nobody is here to answer. With --yes it does not ask." if unanswered else "Stopped.", 1
        )
    except click.UsageError as error:
        _fail(_usage(error), 2)
    except click.ClickException as error:
        _fail(error.format_message(), 1)
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        _fail(sentence, 1)
    sys.exit(done if isinstance(done, int) else 0)


def _fail(sentence: str, code: int) -> None:
    click.echo(f"kaeru: {sentence}", err=True)
    sys.exit(code)


def _usage(error: click.UsageError) -> str:
    """A group without a command gets its whole help, anything else the sentence and where the help is."""
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # click 8.1 has none
        return f"name a command.\n\n{error.format_message()}"
    command = error.ctx.command_path if error.ctx is not None else "kaeru"
    return f"{error.format_message().rstrip()} Try `{command} --help`."


def _sentence(error: Exception) -> str | None:
    """What a person can do about it; None for a defect. Imported late: only failures pay for it."""
    from bot.catalog import CatalogInvalid  # noqa: PLC0415 - see above
    from bot.domain.base import Refusal  # noqa: PLC0415 - see above
    from bot.ports import PortError  # noqa: PLC0415 - see above
    from bot.settings import SettingsInvalid  # noqa: PLC0415 - see above
    from bot.store import StoreError  # noqa: PLC0415 - see above

    if isinstance(error, PortError):
        return error.advice
    if isinstance(error, (SettingsInvalid, CatalogInvalid, Refusal, StoreError)):
        return str(error)
    return None

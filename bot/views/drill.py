"""What a drill has found, for those who look after the service: it concerns nobody else, and no incident."""

from bot.domain.backups import Drill
from bot.views.blocks import Card, card, context, section
from bot.views.mrkdwn import code, ended, line, when

_TEXT = 1500


def drill_card(found: Drill) -> Card:
    """A message to one person."""
    name = f"{code(found.database)} of {line(found.service, 60)}"
    if found.passed:
        text = f":white_check_mark: The newest backup of {name} is proven again: {ended(line(found.text, _TEXT))}"
    else:
        text = f":rotating_light: *The drill of {name} failed*: {ended(line(found.text, _TEXT))}"
    small = f"`kaeru backups {line(found.service, 60)} {line(found.database, 60)}` lists what there is."
    return card(text, [section(text), context(f"{_which(found)}{small}")])


def drill_line(found: Drill) -> str:
    """One line of the Home tab."""
    if found.passed:
        return f":white_check_mark: backup of {code(found.database)} proven by a drill {when(found.at)}"
    return f":rotating_light: *backup of {code(found.database)} not proven* by the drill {when(found.at)}: {ended(line(found.text, 200))}"


def _which(found: Drill) -> str:
    if found.taken_at is None:
        return ""
    return f"The backup of {when(found.taken_at)}, {code(found.backup, 120)} · "

"""What is suspended in the world because of an incident, on whichever card is in use, until it is given back."""

from typing import NamedTuple

from bot.domain.afterwards import cache_of, is_of_traffic
from bot.domain.debts import Debt
from bot.domain.decide import must_be_seen_to
from bot.domain.incident import Incident, Owed, Status
from bot.views.blocks import Block, Card, Style, actions, button, card, confirm, context, section
from bot.views.ids import Action, Ref
from bot.views.limits import CONFIRM_TEXT
from bot.views.mrkdwn import counted, ended, line, when, who


class _Kind(NamedTuple):
    """How one kind of debt is spoken of."""

    title: str
    label: str
    asks: str
    does: str


_SUSPENDED = _Kind(
    title=":electric_plug: *Suspended so that the rollback lasts*",
    label="Give back",
    asks="Give it back now?",
    does=(
        "kaeru switches it on again at once, and looks whether it is. Whatever it deploys from then on may take "
        "the place of the version that was gone back to."
    ),
)
_KEPT = _Kind(
    title=":construction: *Users are kept from the service*",
    label="Bring all back",
    asks="Bring all users back now?",
    does="kaeru sends all traffic to the service at once, and looks whether it arrives.",
)
_STALE = _Kind(
    title=":wastebasket: *Old answers may still be served*",
    label="Forget now",
    asks="Let it forget now?",
    does="kaeru tells the cache to forget, and waits until it has.",
)


def _kind(debt: Debt) -> _Kind:
    if is_of_traffic(debt):
        return _KEPT
    return _SUSPENDED if cache_of(debt) is None else _STALE


_SHOWN = 4
_TEXT = 400
_NOTE = 600


def owed(incident: Incident, *, place: str = "") -> list[Block]:
    """Each open debt with its buttons; nothing where there is none. `place` keeps two incidents' buttons apart.

    While the rollback runs it needs what is suspended, so that there is nothing to press.
    """
    blocks: list[Block] = []
    for number, each in enumerate(incident.debts[:_SHOWN]):
        blocks.append(section(_told(each)))
        if incident.status is not Status.ROLLING_BACK and each.asked_by is None:
            blocks.append(actions(*_buttons(incident, each, f"{place}{number}")))
    if len(incident.debts) > _SHOWN:
        blocks.append(
            context(f"and {len(incident.debts) - _SHOWN} more suspended; `/incident status` counts them")
        )
    return blocks


def in_a_line(owed_: Owed) -> str:
    """What is suspended, since when, and who sees to it."""
    text = ended(line(owed_.debt.text, _TEXT))
    return f"{text} Since {when(owed_.since)}. {_whose(owed_)}"


def look_at(incident: Incident, owed_: Owed, place: str) -> Block | None:
    """One button, where there is something to decide: take it over, or once somebody has, give it back."""
    if incident.status is Status.ROLLING_BACK or owed_.asked_by is not None:
        return None
    give, take, _ = _buttons(incident, owed_, place)
    return give if owed_.owner else take


def _told(owed_: Owed) -> str:
    parts = [
        f"{_kind(owed_.debt).title}\n{ended(line(owed_.debt.text, _TEXT))}",
        f"Since {when(owed_.since)}. {ended(line(owed_.debt.until, _TEXT))}",
        _whose(owed_),
    ]
    if owed_.note and owed_.asked_by is None:
        parts.append(f":x: It could not be given back: {ended(line(owed_.note, _NOTE))}")
    return "\n".join(parts)


def _whose(owed_: Owed) -> str:
    if owed_.asked_by is not None:
        return f":hourglass_flowing_sand: {who(owed_.asked_by)} asked to give it back; kaeru is at it."
    return f"{who(owed_.owner)} sees to it." if owed_.owner else "*Nobody sees to it yet.*"


def _buttons(incident: Incident, owed_: Owed, suffix: str) -> tuple[Block | None, ...]:
    ref = Ref(incident_id=incident.id, arg=owed_.debt.key)
    give = button(_kind(owed_.debt).label, Action.DEBT_GIVE_BACK, ref, suffix=suffix, confirm=_asks(owed_))
    take = button(
        "I see to it instead" if owed_.owner else "I see to it", Action.DEBT_TAKE_OVER, ref, suffix=suffix
    )
    done = button("Done by hand", Action.DEBT_DONE, ref, suffix=suffix) if owed_.note else None
    return give, take, done


def _asks(owed_: Owed) -> Block:
    """What exactly a press on Give back does."""
    kind = _kind(owed_.debt)
    what = kind.does
    until = line(owed_.debt.until, CONFIRM_TEXT - len(what) - 20)
    return confirm(kind.asks, f"{what} {until}".strip(), yes=kind.label, no="Not yet", style="danger")


def close_button(incident: Incident, label: str, *, style: Style | None = None) -> Block | None:
    """None while something is suspended that nobody sees to, or restored: what is to be done about that comes first."""
    if must_be_seen_to(incident) or incident.restoring is not None:
        return None
    return button(label, Action.CLOSE_OPEN, Ref(incident_id=incident.id), style=style)


def refused_close(incident: Incident) -> Card:
    """Why it cannot be closed yet, and the two ways to change that."""
    count = len(incident.unowned)
    text = (
        f":no_entry: {line(incident.service)} cannot be closed yet: {counted(count, 'thing')} that kaeru suspended "
        f"{'has' if count == 1 else 'have'} nobody to see to {'it' if count == 1 else 'them'}. "
        "Give back what is not needed any more, or say that you see to it; then close."
    )
    return card(text, [section(text), *owed(incident.model_copy(update={"debts": incident.unowned}))])


def debts_nudge(incident: Incident, due: tuple[Owed, ...]) -> Card:
    """A daily reminder of what is still suspended."""
    people = " ".join(dict.fromkeys(who(o.owner) for o in due if o.owner is not None))
    what = "is something" if len(due) == 1 else f"are {counted(len(due), 'thing')}"
    whom = f"{people}, there" if people else "There"
    text = (
        f":electric_plug: {whom} {what} still suspended because of the rollback of {line(incident.service)}."
    )
    return card(text, [section(text), *owed(incident.model_copy(update={"debts": due}))])

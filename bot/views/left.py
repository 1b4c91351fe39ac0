"""What an incident leaves: what stays open when it is closed, its open actions, and where they and the papers went."""

from bot.domain.decide import ALL
from bot.domain.decide.leaving import filing_of
from bot.domain.filing import action_id, paper_id
from bot.domain.incident import Action as OpenAction
from bot.domain.incident import Filing, Incident, Status
from bot.domain.left_open import Left, left_open
from bot.views.blocks import (
    Block,
    Card,
    actions,
    button,
    card,
    checkboxes,
    context,
    entry,
    header,
    note,
    option,
    section,
    sections,
)
from bot.views.ids import Action, Field, Ref
from bot.views.mrkdwn import bullets, clean, counted, ended, line, said, when, who

_MOST = 10
"""More boxes Slack does not draw."""
_SHOWN = 15
_TEXT = 400


def accepting(incident: Incident) -> list[Block]:
    """In the form that closes it: what stays open, each to be accepted; nothing where there is nothing."""
    left = left_open(incident)
    if not left:
        return []
    boxes = [option(one.text, one.key) for one in left[:_MOST]]
    blocks = [
        *sections(["*This stays open*", *(_told(one) for one in left[:_MOST])]),
        entry(
            Field.ACCEPTED,
            "Do you accept it, by your name?",
            checkboxes(boxes),
            hint="The timeline and the postmortem say who accepted what. Or settle it first, and close then.",
        ),
    ]
    if len(left) > _MOST:
        blocks.append(context(f"There are {len(left)}. Accept the others with `/incident accept all` first."))
    return blocks


def left_card(incident: Incident) -> Card:
    """What stays open, each with a button, and what was accepted by whom."""
    left = left_open(incident)
    if not left:
        text = f"Nothing of {line(incident.service)} is left open that nobody has accepted."
        lines = accepted_lines(incident)
        return card(text, [section(text), *sections(lines)]) if lines else note(text)
    count = counted(len(left), "thing")
    text = f"{line(incident.service)}: {count} left open. Settle it, or accept it by your name; then close."
    blocks = [section(text)]
    for number, one in enumerate(left[:_SHOWN]):
        ref = Ref(incident_id=incident.id, arg=one.key)
        blocks.append(
            section(_told(one), accessory=button("I accept it", Action.LEFT_ACCEPT, ref, suffix=str(number)))
        )
    if len(left) > 1:
        everything = Ref(incident_id=incident.id, arg=ALL)
        blocks.append(actions(button("I accept all of it", Action.LEFT_ACCEPT, everything, suffix="all")))
    return card(text, [*blocks, *sections(accepted_lines(incident))])


def accepted_lines(incident: Incident) -> list[str]:
    """What was accepted, and by whom."""
    if not incident.accepted:
        return []
    told = (f"{ended(line(one.text, _TEXT))} Accepted by {who(one.by)}." for one in incident.accepted)
    return ["*Left open*", *bullets(told, most=_SHOWN)]


def actions_card(incident: Incident) -> Card:
    """The open actions: what, whose, and where each was filed."""
    if not incident.actions:
        return note("There is no open action. `/incident action @ana Add a timeout` adds one.")
    text = f"{line(incident.service)}: {counted(len(incident.actions), 'open action')}"
    blocks = [header(text), *sections(action_lines(incident, most=50))]
    if incident.is_open:
        blocks.append(
            context("They are filed with the tracker, where there is one, once the incident is closed.")
        )
    return card(text, [*blocks, *trouble(incident)])


def action_lines(incident: Incident, *, most: int) -> list[str]:
    return bullets((_action(incident, action) for action in incident.actions), most=most)


def paper_lines(incident: Incident) -> list[str]:
    """Where the postmortem is, besides the channel."""
    return [
        f"The postmortem is in {line(name.removeprefix(paper_id('')), 60)}: {_link(filing)} (revision {filing.revision})."
        for name, filing in incident.filings.items()
        if name.startswith(paper_id("")) and filing.reference
    ]


def trouble(incident: Incident) -> list[Block]:
    """What could not be filed or published, why, and what happens next; nothing where there is none."""
    found = [(name, filing) for name, filing in incident.filings.items() if filing.trouble]
    if not found or incident.status is not Status.CLOSED:
        return []
    told = []
    for name, filing in found[:_SHOWN]:
        again = f" The next try is at {when(filing.again_at)}." if filing.again_at else ""
        told.append(f":x: {_what(incident, name)}: {ended(line(filing.trouble, 600))}{again}")
    again_button = button("Try again now", Action.FILE_AGAIN, Ref(incident_id=incident.id))
    return [*sections(["*Not filed or published yet*", *told]), actions(again_button)]


def _what(incident: Incident, name: str) -> str:
    if name.startswith(paper_id("")):
        return f"The postmortem is not in {line(name.removeprefix(paper_id('')), 60)}"
    text = next((action.text for action in incident.actions if action_id(action.text) == name), "")
    return f"“{said(text, 150)}” is no issue"


def _action(incident: Incident, action: OpenAction) -> str:
    whose = who(action.owner) if action.owner else "_no owner yet_"
    filing = filing_of(incident, action.text)
    where = f"  ·  {_link(filing)}" if filing.reference else ""
    return f"{said(action.text, 200)}  –  {whose}{where}"


def _link(filing: Filing) -> str:
    label = clean(filing.reference).replace("|", " ").replace(">", " ")[:80]
    if filing.url.startswith(("https://", "http://")) and not set("<>|") & set(filing.url):
        return f"<{filing.url}|{line(label)}>"
    return line(label)


def _told(left: Left) -> str:
    return f"• {ended(line(left.text, _TEXT))} {ended(line(left.settle, _TEXT))}"

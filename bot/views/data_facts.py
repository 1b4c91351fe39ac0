"""What a plan says about databases: the migrations between the versions, the ways that are left, and who decides."""

from collections.abc import Sequence
from itertools import chain

from bot.domain.databases import DatabasePart, Sideways, undecided
from bot.domain.incident import Incident
from bot.domain.migrations import Migration
from bot.domain.plan import Plan
from bot.domain.prose import listed, typed
from bot.domain.ways_back import Way
from bot.views.blocks import Block, Card, Style, actions, button, card, confirm, note, section, sections
from bot.views.ids import Action, Ref
from bot.views.mrkdwn import bullets, code, counted, ended, line, who, whom

_SHOWN = 5
_MIGRATIONS = 6
_DOES = 4
_NOTES = 4

LABELS = {
    Way.CODE_ONLY: "Code only",
    Way.DOWN_MIGRATION: "Run migrations backwards",
    Way.RESTORE_BACKUP: "Restore backup",
    Way.FORWARD_FIX: "Fix forward",
}
MEANS = {
    Way.CODE_ONLY: "the older code runs on the schema as it is",
    Way.DOWN_MIGRATION: "the newer version's migrations are run backwards, then the code goes back",
    Way.RESTORE_BACKUP: "the database comes back as it was, then the code goes back",
    Way.FORWARD_FIX: "nothing goes back; the newer version is mended",
}


def data_facts(plan: Plan) -> list[Block]:
    """What lies between the versions, database by database, and which way each goes."""
    concerned = [part for part in plan.databases if part.verdict is not None]
    # Those about which nobody has decided first: they are what people have to read.
    concerned.sort(key=lambda part: not part.undecided)
    return list(chain.from_iterable(sections(_about(part)) for part in concerned))


def _about(part: DatabasePart) -> list[str]:
    verdict = part.verdict
    if verdict is None:
        return []
    mark = ":rotating_light: " if verdict.decision else ""
    count = counted(len(part.migrations), "migration") if part.migrations else "migrations"
    return [
        f"{mark}*Database {line(part.name, 60)}*, {count} between the versions: {line(verdict.why, 700)}",
        *bullets((_migration(one) for one in part.migrations), most=_MIGRATIONS),
        *(f"_{line(text.replace('_', 'ˍ'), 300)}_" for text in part.notes[:_NOTES]),
        _standing(part),
    ]


def _migration(one: Migration) -> str:
    shown = "; ".join(line(text, 160) for text in one.does[:_DOES])
    more = f"; and {len(one.does) - _DOES} more" if len(one.does) > _DOES else ""
    return f"{code(one.id, 50)} *{one.effect}*: {shown or 'does nothing'}{more}. {line(undoing(one), 300)}"


def undoing(one: Migration) -> str:
    """Whether it can be undone, and what that would lose, as a sentence in plain text."""
    if not one.undo.exists:
        return "It cannot be undone."
    if one.undo.loses:
        return f"Undoing it loses {'; '.join(one.undo.loses)}."
    if not one.undo.understood:
        return "It can be undone; what that loses is not understood."
    return "It can be undone without loss."


def _standing(part: DatabasePart) -> str:
    """Which way it goes, or that somebody has to say so."""
    if part.way is None:
        return (
            f":point_right: *Somebody has to decide:* {_or([way.value for way in part.offered])}. "
            "Whoever decides does not approve alone."
        )
    how = f"*{part.way.value.capitalize()}*: {MEANS[part.way]}"
    if part.chosen_by is None:
        return f"{how}."
    lost = f" It loses {line('; '.join(loses(part, part.way)), 300)}." if loses(part, part.way) else ""
    return f":ballot_box_with_check: Decided by {who(part.chosen_by)}: {how}.{lost}"


def done_to(part: DatabasePart) -> tuple[str, ...]:
    """What a run does to this database, as sentences; nothing where it stays as it is."""
    sideways = _sideways(part, part.way)
    return sideways.actions if sideways is not None else ()


def loses(part: DatabasePart, way: Way | None) -> tuple[str, ...]:
    """Which data a way destroys."""
    sideways = _sideways(part, way)
    return sideways.loses if sideways is not None else ()


def _sideways(part: DatabasePart, way: Way | None) -> Sideways | None:
    if way is Way.DOWN_MIGRATION:
        return part.down
    return part.restore if way is Way.RESTORE_BACKUP else None


def deciding(incident: Incident, plan: Plan) -> list[Block]:
    """A question with its buttons for each database about which somebody has to decide, or may decide otherwise."""
    if incident.held_by is not None:
        return []
    parts = [p for p in plan.databases if p.undecided or (p.chosen_by is not None and len(p.offered) > 1)]
    parts.sort(key=lambda part: not part.undecided)
    blocks: list[Block] = []
    for part in parts[:_SHOWN]:
        others = [way for way in part.offered if way is not part.way]
        asked = "Which way?" if part.undecided else "Decide otherwise?"
        blocks.append(section(f"*Database {line(part.name, 60)}:* {asked}"))
        blocks.append(actions(*(_choice(incident, plan, part, way) for way in others)))
    return blocks


def _choice(incident: Incident, plan: Plan, part: DatabasePart, way: Way) -> Block:
    ref = Ref(incident_id=incident.id, number=plan.number, digest=plan.digest, arg=f"{part.name} {way.value}")
    first = part.undecided and way is part.offered[0]
    style: Style | None = "primary" if first else None
    return button(
        LABELS[way],
        Action.WAY_CHOOSE,
        ref,
        suffix=f"{part.name}-{way.name.lower()}",
        style=style,
        confirm=_question(part, way),
    )


def _question(part: DatabasePart, way: Way) -> Block:
    """What a press means, and what is lost by it. Nothing is done before the fresh plan has been approved."""
    name = line(part.name, 40)
    title = f"{LABELS[way]}: database {part.name}?"
    lost = loses(part, way)
    gone = f" It loses {line('; '.join(lost), 90)}." if lost else ""
    then = (
        " The plan is set aside and the clock of the forward fix runs."
        if way is Way.FORWARD_FIX
        else " A fresh plan follows, and somebody else has to approve it."
    )
    about = ""
    if way is Way.DOWN_MIGRATION and part.down is not None:
        about = f" ({line(', '.join(part.down.about), 50)})"
    means = MEANS[way]
    style: Style = "danger" if lost else "primary"
    return confirm(title, f"{name}: {means}{about}.{gone}{then}", yes="Decide so", no="Not yet", style=style)


def obstacle(plan: Plan) -> str:
    """What has to be decided before this plan can be approved; empty where nothing has."""
    names = [part.name for part in undecided(plan.databases)]
    if not names:
        return ""
    which = f"the database {names[0]}" if len(names) == 1 else f"the databases {listed(names)}"
    return f"somebody has to decide about {line(which, 200)}"


def second_person(plan: Plan) -> str:
    """Who does not approve alone, as a sentence; empty where nobody has decided anything."""
    if not plan.deciders:
        return ""
    theirs = "their own decision" if len(plan.deciders) > 1 else "that alone"
    return f"{whom(plan.deciders)} decided about the database and cannot approve {theirs}."


def in_words(plan: Plan) -> list[str]:
    """The same in plain text, line by line."""
    lines: list[str] = []
    for part in plan.databases:
        if part.verdict is None:
            continue
        lines.append(f"Database {part.name}: {part.verdict.why}")
        for one in part.migrations:
            does = "; ".join(one.does) or "does nothing"
            lines.append(f"  {one.id} {one.effect}: {does}. {undoing(one)}")
        lines += [f"  {text}" for text in part.notes]
        lines.append(f"  {_way_in_words(part)}")
    return lines


def _way_in_words(part: DatabasePart) -> str:
    if part.way is None:
        return f"UNDECIDED: somebody has to choose {_or([way.value for way in part.offered])}"
    by = f", chosen by <@{part.chosen_by}>" if part.chosen_by else ""
    lost = f"; it loses {'; '.join(loses(part, part.way))}" if loses(part, part.way) else ""
    return f"{part.way.value}: {MEANS[part.way]}{by}{lost}"


def _or(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def ways_card(incident: Incident) -> Card:
    """The answer to `/incident way` without more: what is to be decided, and how."""
    record = incident.record
    parts = [p for p in record.plan.databases if p.verdict] if record and record.plan else []
    if not parts:
        return note("Nothing is to be decided about a database here.")
    lines = [
        f"*{line(p.name, 60)}*: {p.way.value if p.way else 'undecided'}. "
        f"There is {_or([way.value for way in p.offered])}."
        for p in parts
    ]
    example = f"`/incident way {line(parts[0].name, 60)} {parts[0].offered[0].value}` decides."
    return card("What can be decided about databases", sections([*lines, example]))


def ways_in_short(incident: Incident) -> list[str]:
    """A line for each database of the newest plan about which somebody decides."""
    record = incident.record
    parts = record.plan.databases if record is not None and record.plan is not None else ()
    lines = []
    for part in parts[:_SHOWN]:
        if part.undecided:
            lines.append(
                f"*Database {line(part.name, 60)}*: undecided, {_or([w.value for w in part.offered])}"
            )
        elif part.chosen_by is not None and part.way is not None:
            lines.append(
                f"*Database {line(part.name, 60)}*: {part.way.value}, decided by {who(part.chosen_by)}"
            )
    return lines


def after_choice(way: Way) -> str:
    """What follows from a decision, for whoever has typed it."""
    if way is Way.FORWARD_FIX:
        return "Nothing goes back; the clock of the forward fix runs."
    return "A fresh plan follows, and somebody else has to approve it."


def decided_note(database: str, way: Way, by: str, why: str, lost: Sequence[str]) -> str:
    """For the channel, once, when it is decided."""
    gone = f" It loses {line('; '.join(lost), 400)}." if lost else ""
    reason = f" ({ended(line(why, 600))})" if why.strip() else ""
    return f":card_file_box: {who(by)} decided about the database *{typed(database)}*: *{way.value}*, {MEANS[way]}.{gone}{reason}"

"""Whatever happens in an incident, Slack can show it, and nothing that somebody wrote means anything to Slack."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from bot.domain.incident import Incident
from bot.ports.chat import DescribeChannel, Invite, Post, parse_operation
from bot.views import debts, home, modals, status
from bot.views.blocks import Card
from bot.views.limits import TOPIC, validate
from bot.views.project import project
from tests.story import ALICE, BOB, at
from tests.unit.views_worlds import BOT_USER, World, plans, texts, worlds

thorough = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))

_MEANT = re.compile(
    r"<@[UW][A-Z0-9]+(?:\|[^<>|\n]*)?>|<#C[A-Z0-9]+(?:\|[^<>|\n]*)?>|<!date\^\d+\^[^<>|]*\|[^<>]* UTC>|&(?:amp|lt|gt);"
)


def assert_escaped(text: str) -> None:
    """Nothing but mentions, dates, entities and quotes at the beginning of a line is left for Slack to obey."""
    rest = _MEANT.sub("", text)
    assert "<" not in rest, text
    assert "&" not in rest, text
    assert all(">" not in each.removeprefix(">") for each in rest.split("\n")), text
    assert not re.search("[\x00-\x08\u202a-\u202e\u2066-\u2069]", text), text


def markup(thing: Any) -> Iterator[str]:
    if isinstance(thing, Mapping):
        if thing.get("type") == "mrkdwn":
            assert thing["verbatim"] is True
            yield thing["text"]
        for value in thing.values():
            yield from markup(value)
    elif isinstance(thing, (list, tuple)):
        for value in thing:
            yield from markup(value)


def assert_fine_message(text: str, blocks: Any) -> None:
    assert text.strip()
    assert_escaped(text)
    assert validate({"text": text, "blocks": blocks}) == []
    assert_fine_blocks(blocks)


def assert_fine_blocks(blocks: Any) -> None:
    parsed = Block.parse_all(list(blocks))
    assert None not in parsed
    for block in parsed:
        block.to_dict()  # raises where slack_sdk would refuse to send it
    for text in markup(blocks):
        assert_escaped(text)
    json.dumps(blocks).encode()


def assert_fine_card(card: Card) -> None:
    assert_fine_message(card.text, card.blocks)


def assert_fine_view(view: dict[str, Any]) -> None:
    assert validate(view) == []
    View(**json.loads(json.dumps(view))).to_dict()
    assert_fine_blocks(view["blocks"])


@thorough
@given(worlds())
def test_everything_that_is_projected_can_be_sent(world: World) -> None:
    for _, slot in world.history:
        operation = parse_operation(slot.operation.model_dump(mode="json"))
        assert operation.model_dump(mode="json") == slot.operation.model_dump(mode="json")
        match operation:
            case Post():
                assert_fine_message(operation.text, operation.blocks)
            case DescribeChannel():
                assert len(operation.topic) <= TOPIC
                assert len(operation.purpose) <= TOPIC
            case Invite():
                assert operation.users
                assert BOT_USER not in operation.users
                assert all(re.fullmatch(r"[UW][A-Z0-9]+", user) for user in operation.users)


@thorough
@given(worlds())
def test_the_projection_depends_on_the_state_alone(world: World) -> None:
    assert world.incident is not None
    slots = project(world.incident, world.context)
    assert slots == project(world.incident, world.context)
    assert (slots[0].lane, slots[0].slot) == (f"incident:{world.incident.id}", "channel")
    names = [(slot.lane, slot.slot) for slot in slots]
    assert len(set(names)) == len(names)
    again = Incident.model_validate(world.incident.model_dump(mode="json"))
    assert project(again, world.context) == slots


@thorough
@given(worlds(), st.data())
def test_answers_and_forms_fit_whatever_the_incident(world: World, data: st.DataObject) -> None:
    incident, policy = world.incident, world.context.policy
    assert incident is not None
    assert_fine_card(status.status_card(incident, policy))
    count = data.draw(st.integers(0, 60))
    assert_fine_card(status.list_card([incident] * count, [policy] * count))
    assert_fine_card(status.source_line(incident))
    assert_fine_card(debts.refused_close(incident))
    assert_fine_card(debts.debts_nudge(incident, incident.debts))
    number, digest = 3, "0123456789abcdef"
    text = data.draw(texts)
    for view in (
        modals.choose_version(incident),
        modals.reject(incident, number=number, digest=digest),
        modals.break_glass(incident, number=number, digest=digest, to_version="v1.2.9"),
        modals.hold(incident),
        modals.severity(incident),
        modals.note(incident),
        modals.role(incident, by=data.draw(st.sampled_from((ALICE, "cli:root")))),
        modals.close(incident),
        modals.lessons(incident),
        modals.add_to_timeline(incident, message_ts="1.2", author=BOB, text=text, at=at("14:00:00")),
    ):
        assert_fine_view(view)


@thorough
@given(st.lists(worlds(most=6), max_size=4), st.integers(0, 120), st.sampled_from((ALICE, BOB)))
def test_the_home_fits_whatever_is_going_on(many: list[World], services: int, me: str) -> None:
    known = [
        home.Known(incident=w.incident, policy=w.context.policy) for w in many * 5 if w.incident is not None
    ]
    seen = [
        home.ServiceNow(name=f"service-{n}", version="v1", seen_at=at("14:00:00")) for n in range(services)
    ]
    assert_fine_view(home.home(me, known, seen))


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_dry_run_fits_whatever_the_plan(data: st.DataObject) -> None:
    card = status.dry_run_card(data.draw(plans(1)))
    assert_fine_card(card)
    assert all(block["type"] not in ("actions", "input") for block in card.blocks)


@given(st.dictionaries(st.from_regex(r"\A[a-z][a-z0-9-]{0,40}\Z"), texts, max_size=150))
@settings(max_examples=25, deadline=None)
def test_the_picker_fits_however_many_services_there_are(services: dict[str, str]) -> None:
    assert_fine_view(modals.picker(services, channel="C0GENERAL"))


def test_help_fits() -> None:
    assert_fine_card(status.rollback_help())
    assert_fine_card(status.incident_help())

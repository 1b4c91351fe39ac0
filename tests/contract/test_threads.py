"""A reply is posted below the message of its slot, once that is there, and into the channel where it never will be."""

import pytest

from bot.ports.chat import Post, thread_of
from bot.ports.errors import Refused, Unavailable
from bot.store import Store
from tests.contract.chat_worlds import INCIDENTS, SlackWorld
from tests.contract.test_delivery import Office, fake, office, say, slack, store, until
from tests.fakes.chat import FakeChat

__all__ = ["fake", "office", "slack", "store"]


def reply(text: str) -> Post:
    return Post(channel=INCIDENTS, text=text, thread_ts=thread_of("incident:1", "run-1"))


async def test_a_reply_waits_for_its_message_and_goes_below_it(office: Office, fake: FakeChat) -> None:
    fake.fail("post", Unavailable("Slack limits the rate.", retry_after_s=0.3))
    await office.put("incident:1", "run-1", say("the checklist"))
    await office.put("incident:1:output", "event-7", reply("a line"))
    async with office.delivering():
        await office.settled()
    above, below = fake.rooms[INCIDENTS].messages
    assert (above["text"], below["text"]) == ("the checklist", "a line")
    assert below["thread_ts"] == above["ts"]


async def test_a_reply_whose_answer_is_lost_is_found_in_its_thread(office: Office, fake: FakeChat) -> None:
    await office.put("incident:1", "run-1", say("the checklist"))
    async with office.delivering():
        await office.settled()
        fake.lose("post")
        await office.put("incident:1:output", "event-7", reply("a line"))
        await office.settled()
    assert fake.said(INCIDENTS) == ["the checklist", "a line"]


async def test_where_the_message_was_given_up_the_reply_is_said_in_the_channel(
    office: Office, fake: FakeChat
) -> None:
    fake.fail("post", Refused("msg_blocks_too_long"))
    await office.put("incident:1", "run-1", say("the checklist"))
    async with office.delivering() as delivery:
        await until(lambda: len(office.dead) == 1, "the checklist to be given up")
        await office.put("incident:1:output", "event-7", reply("a line"))
        delivery.wake()
        await office.settled()
    (alone,) = fake.rooms[INCIDENTS].messages
    assert alone["text"] == "a line"
    assert "thread_ts" not in alone


@pytest.mark.parametrize("lost", [False, True])
async def test_slack_shows_it_once_in_the_thread(store: Store, slack: SlackWorld, lost: bool) -> None:
    office = Office(store, slack.chat)
    await office.put("incident:1", "run-1", say("the checklist"))
    async with office.delivering():
        await office.settled()
        if lost:
            slack.lose("post")
        await office.put("incident:1:output", "event-7", reply("a line"))
        await office.settled()
    above, below = slack.messages(INCIDENTS)
    assert (above["text"], below["text"]) == ("the checklist", "a line")
    assert below["thread_ts"] == above["ts"]

"""Nobody is told twice, wherever the bot is killed meanwhile; where it cannot know, it says so."""

from pathlib import Path

from bot.domain import events as e
from bot.domain.audiences import Telling
from bot.domain.timeline import Kind
from sandbox.shop.releases import Shop
from tests.contract.notices_worlds import (
    PASSWORD,
    TOKEN,
    EmailWorld,
    StatuspageWorld,
    certificate,
    open_world,
)
from tests.crash.scene import BAD, scene
from tests.crash.story import Story
from tests.crash.truth import at_rest, timeline_of, workflows

PLACES = ("started:tell.v1", "told:page", "told:email", "commit:notice_sent")


async def test_killed_while_it_tells(built: Shop, memory: Path, tmp_path: Path) -> None:
    with certificate(tmp_path) as tls:
        mail, page = EmailWorld(tls), StatuspageWorld()
    async with open_world(mail), open_world(page):
        notices = {
            "desk": {
                "kind": "email",
                "audience": "support",
                "to": ["desk@example.com"],
                "sender": "kaeru@example.com",
                "host": "127.0.0.1",
                "port": mail.port,
                "user": "kaeru",
                "password": PASSWORD,
                "ca_file": str(mail.ca),
            },
            "page": {
                "kind": "statuspage",
                "audience": "customers",
                "page": "p4g3",
                "url": f"{page.api.base}/v1",
                "token": TOKEN,
            },
        }
        more = {"KAERU_CRASH_ALSO": "tests.crash.telling"}
        async with scene(
            tmp_path / "scene",
            built,
            serving=BAD,
            memory=memory,
            die_at=PLACES,
            around={"notices": notices},
            more=more,
        ) as stage:
            story = Story(stage)
            await story.ask()
            await story.say_how_bad(await story.card("severity"))
            await stage.until(lambda: stage.bot.missed(PLACES) == [], "all places to be passed", within=80)
            await at_rest(stage)
            await stage.bot.stop()
            assert stage.bot.deaths == len(PLACES)
            incident, entries = await timeline_of(stage, story.channel)
    events = [e.parse(entry.body) for entry in entries if entry.kind is Kind.EVENT]
    sent = [event for event in events if isinstance(event, e.NoticeSent)]
    assert not any(record.pending for record in incident.notices)
    moments = [record.moment for record in incident.notices]
    assert moments == ["begun", "assessed"]

    # The page recognises what it was told: once each, in order, and found there after the kill.
    assert page.api.problems == []
    assert len(page.told) == len(set(page.told)) == len(moments)
    on_page = [event for event in sent if event.name == "page"]
    assert [event.moment for event in on_page] == moments
    assert any(event.already for event in on_page)

    # A mail is not recognised: it is sent at most once, and what nobody can know is said to be so.
    assert len(mail.told) == len(set(mail.told))
    mailed = {event.reference for event in sent if event.name == "desk"}
    unknown = [event for event in events if isinstance(event, e.NoticeFailed)]
    assert {(event.name, event.state) for event in unknown} == {("desk", Telling.UNKNOWN)}
    assert "kaeru was ended in the very moment" in unknown[0].reason
    assert len(mailed) + len(unknown) == len(moments)
    assert mailed < set(mail.told)
    assert {state for name, state in workflows(stage) if name.startswith("tell:")} == {"SUCCESS"}

"""What every way to tell people promises: once for each key, and the truth about what may have arrived."""

import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.domain.audiences import Audience, Moment
from bot.ports.errors import AuthFailed, OutcomeUnknown, PortError, Refused, Unavailable
from bot.ports.notices import Notifier
from tests.contract.notices_worlds import (
    EmailWorld,
    StatuspageWorld,
    WebhookWorld,
    World,
    certificate,
    notice,
    open_world,
)

KEY = "inc-20261124-orders-1/1/somebody"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    with certificate(tmp_path_factory.mktemp("tls")) as made:
        return made


@pytest.fixture(params=["email", "webhook", "statuspage"])
async def world(request: pytest.FixtureRequest, tls: tuple[Path, Path]) -> AsyncIterator[World]:
    worlds = {"email": lambda: EmailWorld(tls), "webhook": WebhookWorld, "statuspage": StatuspageWorld}
    async with open_world(worlds[request.param]()) as opened:
        yield opened
    if isinstance(opened, StatuspageWorld):
        assert opened.api.problems == []
    if isinstance(opened, WebhookWorld):
        assert opened.problems == []


@pytest.fixture
async def notifier(world: World) -> AsyncIterator[Notifier]:
    made = world.notifier()
    yield made
    await made.aclose()


async def test_it_tells_once(world: World, notifier: Notifier) -> None:
    sent = await notifier.send(notice(), KEY)
    assert sent.reference
    assert not sent.already
    assert sent.declined == ()
    assert len(world.told) == 1
    # The same again: told once where keys are recognised, and by the same name everywhere.
    await notifier.send(notice(), KEY)
    assert len(set(world.told)) == 1
    assert len(world.told) == (1 if notifier.recognises else 2)


async def test_other_keys_are_other_notices(world: World, notifier: Notifier) -> None:
    await notifier.send(notice(), KEY)
    await notifier.send(notice(Moment.MITIGATED, text="It works again."), f"{KEY}-2")
    assert len(set(world.told)) == 2


async def test_a_lost_answer_is_not_taken_for_a_failure(world: World, notifier: Notifier) -> None:
    world.fault = "lost"
    with pytest.raises(OutcomeUnknown):
        await notifier.send(notice(), KEY)
    assert len(world.told) == 1
    if notifier.recognises:
        again = world.notifier()
        try:
            assert (await again.send(notice(), KEY)).reference
        finally:
            await again.aclose()
        assert len(world.told) == 1


async def test_what_is_declined_is_refused_and_told_to_nobody(world: World, notifier: Notifier) -> None:
    world.fault = "declined"
    with pytest.raises(Refused) as refused:
        await notifier.send(notice(), KEY)
    assert refused.value.remedy
    assert world.told == []


async def test_a_stranger_is_told_so_and_no_secret_is(world: World, notifier: Notifier) -> None:
    world.fault = "stranger"
    with pytest.raises(AuthFailed) as failed:
        await notifier.send(notice(), KEY)
    assert failed.value.remedy
    assert world.told == []
    shown = "".join(traceback.format_exception(failed.value)) + repr(notifier.identity) + failed.value.advice
    for secret in world.secrets:
        assert secret not in shown


async def test_who_is_busy_is_asked_again_later(world: World, notifier: Notifier) -> None:
    world.fault = "busy"
    with pytest.raises(Unavailable) as busy:
        await notifier.send(notice(), KEY)
    assert busy.value.retry_after_s >= 1
    assert world.told == []
    await notifier.send(notice(), KEY)
    assert len(world.told) == 1


async def test_who_is_down_is_unavailable_until_they_are_back(world: World, notifier: Notifier) -> None:
    await world.stop()
    with pytest.raises(Unavailable) as down:
        await notifier.send(notice(), KEY)
    for secret in world.secrets:
        assert secret not in "".join(traceback.format_exception(down.value))
    with pytest.raises(Unavailable):
        await notifier.check()
    await world.start()
    await notifier.send(notice(), KEY)
    assert len(world.told) == 1


async def test_a_check_tells_nobody(world: World, notifier: Notifier) -> None:
    assert "nothing was" in await notifier.check()
    assert world.told == []
    if not isinstance(world, WebhookWorld):  # of which only a notice would say whether it lets kaeru in
        world.fault = "stranger"
        with pytest.raises(AuthFailed):
            await notifier.check()


async def test_whom_it_is_for(world: World) -> None:
    made = world.notifier(audience="customers", moments=["begun", "rolling back"])
    assert made.audience is Audience.CUSTOMERS
    assert made.moments == {Moment.BEGUN, Moment.ROLLING_BACK}
    assert made.identity == world.notifier().identity
    for secret in world.secrets:
        assert secret not in made.identity
    await made.aclose()


# E-mail.


@pytest.fixture
async def mail(tls: tuple[Path, Path]) -> AsyncIterator[EmailWorld]:
    opened = EmailWorld(tls)
    async with open_world(opened):
        yield opened


async def test_a_message_as_it_arrives(mail: EmailWorld) -> None:
    await mail.notifier(reply_to="team@example.com").send(notice(), KEY)
    (message,) = mail.messages
    assert message["Subject"] == "Tea orders – begun"
    assert (message["From"], message["To"]) == ("kaeru@example.com", "desk@example.com")
    assert message["Reply-To"] == "team@example.com"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == notice().known.at
    assert message.get_content().splitlines() == ["Tea orders have a problem.", ".A dot, and “quotes”."]


async def test_all_of_one_incident_are_a_thread(mail: EmailWorld) -> None:
    notifier = mail.notifier()
    await notifier.send(notice(), KEY)
    await notifier.send(notice(Moment.MITIGATED), f"{KEY}-2")
    await notifier.send(notice(thread="inc-20261124-orders-2"), f"{KEY}-3")
    threads = [str(message["References"]) for message in mail.messages]
    assert threads[0] == threads[1] != threads[2]
    assert [message["In-Reply-To"] for message in mail.messages] == threads


async def test_customers_do_not_see_each_other(mail: EmailWorld) -> None:
    notifier = mail.notifier(audience="customers", to=["a@example.com", "b@example.com"])
    await notifier.send(notice(audience=Audience.CUSTOMERS), KEY)
    ((recipients, content),) = mail.room.messages
    assert recipients == ["a@example.com", "b@example.com"]
    assert b"a@example.com" not in content


async def test_those_who_are_not_taken_are_named(mail: EmailWorld) -> None:
    mail.room.unknown = {"b@example.com": "550 5.1.1 No such mailbox", "c@example.com": "450 4.2.1 Busy"}
    notifier = mail.notifier(to=["a@example.com", "b@example.com", "c@example.com"])
    sent = await notifier.send(notice(), KEY)
    assert [(one.recipient, one.reason, one.for_now) for one in sent.declined] == [
        ("b@example.com", "550 5.1.1 No such mailbox", False),
        ("c@example.com", "450 4.2.1 Busy", True),
    ]
    assert mail.room.messages[0][0] == ["a@example.com"]


@pytest.mark.parametrize(("code", "error"), [("550 No", Refused), ("450 Later", Unavailable)])
async def test_where_nobody_is_taken_nothing_is_sent(
    mail: EmailWorld, code: str, error: type[PortError]
) -> None:
    mail.room.unknown = {"desk@example.com": code}
    with pytest.raises(error, match=r"desk@example\.com"):
        await mail.notifier().send(notice(), KEY)
    assert mail.messages == []


@pytest.mark.parametrize(
    ("fault", "error"), [("cut", Unavailable), ("later", Unavailable), ("never", Refused)]
)
async def test_what_was_not_taken_was_not_told(mail: EmailWorld, fault: str, error: type[PortError]) -> None:
    """A connection that ends before the message was asked for, and answers that decline the message."""
    mail.fault = fault
    with pytest.raises(error):
        await mail.notifier().send(notice(), KEY)
    assert mail.messages == []


async def test_a_certificate_is_checked_before_a_password_is_sent(mail: EmailWorld) -> None:
    with pytest.raises(Refused, match="certificate"):
        await mail.notifier(ca_file=None).send(notice(), KEY)
    assert mail.messages == []


async def test_a_password_from_a_file_is_read_each_time(mail: EmailWorld, tmp_path: Path) -> None:
    file = tmp_path / "password"
    notifier = mail.notifier(password=None, password_file=file)
    with pytest.raises(Refused, match="cannot be read"):
        await notifier.send(notice(), KEY)
    file.write_text("wrong\n")
    with pytest.raises(AuthFailed):
        await notifier.send(notice(), KEY)
    file.write_text(f"{mail.secrets[0]}\n")
    assert (await notifier.send(notice(), KEY)).reference


# Webhooks.


@pytest.fixture
async def hook() -> AsyncIterator[WebhookWorld]:
    opened = WebhookWorld()
    async with open_world(opened):
        yield opened


async def test_a_webhook_says_what_its_audience_may_know(hook: WebhookWorld) -> None:
    notifier = hook.notifier()
    await notifier.send(notice(Moment.ROLLING_BACK, severity="High"), KEY)
    await notifier.aclose()
    (body,) = hook.bodies.values()
    assert body["type"] == "incident.rolling_back"
    assert body["timestamp"] == "2026-11-24T14:12:00+00:00"
    assert body["data"]["subject"] == "Tea orders – rolling back"
    assert (body["data"]["severity"], body["data"]["effect"]) == ("High", "major")
    assert "responders" not in body["data"]


@pytest.mark.parametrize(
    ("status", "error"),
    [(302, Refused), (400, Refused), (404, Refused), (409, OutcomeUnknown), (500, OutcomeUnknown),
     (503, Unavailable)],
)  # fmt: skip
async def test_what_an_answer_means(hook: WebhookWorld, status: int, error: type[PortError]) -> None:
    hook.answer = (status, {"Location": f"http://127.0.0.1:{hook.port}/elsewhere"})
    notifier = hook.notifier()
    with pytest.raises(error) as raised:
        await notifier.send(notice(), KEY)
    await notifier.aclose()
    assert type(raised.value) is error or status == 404
    assert [path for path, _, _ in hook.requests] == [hook.secrets[2]]


async def test_every_try_has_the_same_id_and_body(hook: WebhookWorld) -> None:
    hook.fault = "busy"
    notifier = hook.notifier(recognises_ids=False)
    assert not notifier.recognises
    with pytest.raises(Unavailable) as busy:
        await notifier.send(notice(), KEY)
    assert busy.value.retry_after_s == 7
    await notifier.send(notice(), KEY)
    await notifier.aclose()
    (_, first, one), (_, second, other) = hook.requests
    assert (first["webhook-id"], one) == (second["webhook-id"], other)


async def test_another_secret_is_another_signature(hook: WebhookWorld, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("whsec_bm90IHRoZSBzZWNyZXQgYXQgYWxsLCByZWFsbHk=\n")
    notifier = hook.notifier(secret=None, secret_file=file)
    with pytest.raises(AuthFailed):
        await notifier.send(notice(), KEY)
    file.write_text("too short")
    with pytest.raises(Refused, match="no signing secret"):
        await notifier.send(notice(), KEY)
    await notifier.aclose()


# A status page.


@pytest.fixture
async def page() -> AsyncIterator[StatuspageWorld]:
    opened = StatuspageWorld()
    async with open_world(opened):
        yield opened
    assert opened.api.problems == []


async def test_an_incident_on_the_page_from_its_beginning_to_its_end(page: StatuspageWorld) -> None:
    page.others(3)
    notifier = page.notifier(components=["c0mp"])
    moments = (
        Moment.BEGUN,
        Moment.ASSESSED,
        Moment.ROLLING_BACK,
        Moment.UPDATE,
        Moment.MITIGATED,
        Moment.RELAPSED,
        Moment.MITIGATED,
        Moment.VERIFIED,
    )
    for number, moment in enumerate(moments):
        sent = await notifier.send(notice(moment, text=f"{number} {moment}"), f"{KEY}-{number}")
        assert sent.url == "http://stspg.test/i4"
    (incident,) = page.incidents
    updates = incident["incident_updates"][::-1]
    assert [update["status"] for update in updates] == [
        "investigating", "investigating", "identified", "identified", "monitoring", "identified", "monitoring",
        "resolved",
    ]  # fmt: skip
    component = [(update["components"] or {}).get("c0mp") for update in updates]
    ill, well = "partial_outage", "operational"
    assert component == [ill, ill, ill, None, well, ill, well, well]
    assert incident["name"] == "Tea orders – begun"
    assert incident["impact_override"] == "major"
    end = await notifier.send(notice(Moment.CLOSED), f"{KEY}-end")
    assert "resolved there already" in end.note
    assert len(incident["incident_updates"]) == len(moments)


async def test_what_was_closed_unsolved_stays_as_it_was_on_the_page(page: StatuspageWorld) -> None:
    notifier = page.notifier(components=["c0mp"])
    await notifier.send(notice(Moment.ROLLING_BACK), KEY)
    closed = notice(Moment.CLOSED)
    unsolved = closed.model_copy(update={"known": closed.known.model_copy(update={"unsolved": True})})
    await notifier.send(unsolved, f"{KEY}-end")
    (incident,) = page.incidents
    last = incident["incident_updates"][0]
    assert (last["status"], last["components"]) == ("identified", None)


async def test_incidents_are_kept_apart_among_many(page: StatuspageWorld) -> None:
    notifier = page.notifier()
    await notifier.send(notice(), KEY)
    page.others(130)
    await notifier.send(notice(thread="another"), f"{KEY}-2")
    await notifier.send(notice(Moment.MITIGATED), f"{KEY}-3")
    assert [len(one["incident_updates"]) for one in page.incidents] == [2, 1]


async def test_what_was_never_on_the_page_is_not_solved_there(page: StatuspageWorld) -> None:
    sent = await page.notifier().send(notice(Moment.VERIFIED), KEY)
    assert "nothing was written" in sent.note
    assert page.incidents == []


async def test_a_page_that_answers_with_an_error_is_looked_at_again(page: StatuspageWorld) -> None:
    page.api.fault = (500, {})
    with pytest.raises(OutcomeUnknown):
        await page.notifier().send(notice(), KEY)
    assert not (await page.notifier().send(notice(), KEY)).already
    assert len(page.told) == 1

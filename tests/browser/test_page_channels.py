"""Finding one's way: unread marks, channels, acting as others, long histories, narrow windows, lost lines."""

import pytest
from playwright.async_api import expect

from sandbox.workspace.local import LocalWorkspace
from sandbox.workspace.messages import unread
from tests.browser.conftest import Desk, composer, message
from tests.browser.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_unread_channels_are_bold_and_mentions_counted(desk: Desk, workspace: LocalWorkspace) -> None:
    page = await desk.sit("alice")
    deploys = page.locator(".place", has_text="deploys")
    await expect(deploys).not_to_contain_text("unread")
    bob = workspace.person("bob")
    await bob.send("deploys", "an older one")
    await bob.send("deploys", "@alice please look")
    await expect(deploys).to_contain_text("unread")
    await expect(deploys.locator(".count")).to_have_text("1")
    await expect(page).to_have_title("(1) #general · kaeru demo")
    await deploys.click()
    await expect(page.get_by_role("separator", name="New messages")).to_be_visible()
    await expect(message(page, "please look")).to_be_visible()
    await expect(deploys.locator(".count")).to_have_count(0)
    await page.locator(".place", has_text="general").click()
    await expect(deploys).not_to_contain_text("unread")
    await expect(page).to_have_title("#general · kaeru demo")
    await bob.send("general", "@alice in sight")
    await expect(message(page, "in sight")).to_be_visible()
    await until(
        lambda: unread(workspace.channel("general"), "U0ALICE") == (0, 0), "what is seen counts as read"
    )
    await expect(page).to_have_title("#general · kaeru demo")


async def test_one_person_plays_several(desk: Desk, workspace: LocalWorkspace) -> None:
    await workspace.person("carol").send("incidents", "@bob and only bob")
    page = await desk.sit("alice")
    incidents = page.locator(".place", has_text="incidents")
    await expect(incidents).to_contain_text("unread")
    await expect(incidents.locator(".count")).to_have_count(0)
    await composer(page).fill("a draft of alice")
    await page.get_by_title("Act as somebody else").click()
    await page.get_by_role("menuitemradio", name="bob").click()
    await expect(page.locator(".acting")).to_contain_text("bob")
    await expect(incidents.locator(".count")).to_have_text("1")
    await expect(page).to_have_url(f"{workspace.url}?as=bob&in=general")
    await expect(composer(page)).to_have_value("")
    await composer(page).fill("written as bob")
    await composer(page).press("Enter")
    await expect(message(page, "written as bob").locator(".author")).to_have_text("bob")


async def test_channels_are_made_found_joined_and_left(desk: Desk, workspace: LocalWorkspace) -> None:
    page = await desk.sit("alice")
    other = await desk.sit("bob")
    await page.get_by_role("button", name="Create a channel").click()
    name = page.get_by_role("dialog").get_by_label("Name")
    await name.fill("General")
    await page.get_by_role("button", name="Create", exact=True).click()
    await expect(page.get_by_role("alert").filter(has_text="name exists already")).to_be_visible()
    await name.fill("War Room")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="war-room", level=1)).to_be_visible()

    await other.get_by_role("button", name="Browse channels").click()
    await other.get_by_label("Search channels").fill("war")
    await expect(other.locator(".rows li")).to_have_count(1)
    await other.keyboard.press("Enter")
    await composer(other).fill("bob is here")
    await composer(other).press("Enter")
    await expect(message(page, "bob is here")).to_be_visible()
    await expect(message(page, "joined")).to_be_visible()
    await expect(page.get_by_role("button", name="2 members")).to_be_visible()
    await other.get_by_role("button", name="Channel actions").click()
    await other.get_by_role("menuitem", name="Leave #war-room").click()
    await expect(other.get_by_role("button", name="Join channel")).to_be_visible()


async def test_a_direct_message(desk: Desk, workspace: LocalWorkspace) -> None:
    page = await desk.sit("alice")
    other = await desk.sit("bob")
    await page.get_by_role("button", name="New direct message").click()
    await page.get_by_label("Search people").fill("bo")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="bob", level=1)).to_be_visible()
    await composer(page).fill("just us")
    await composer(page).press("Enter")
    await expect(other.locator(".place", has_text="alice").locator(".count")).to_have_text("1")


async def test_an_archived_channel_is_shown_as_such(desk: Desk, workspace: LocalWorkspace) -> None:
    page = await desk.sit("alice", "deploys")
    await expect(composer(page)).to_be_visible()
    workspace.state.set_archived(workspace.channel("deploys"), "U0BOB", archived=True)
    await expect(page.locator(".foot-note")).to_contain_text("an archived channel")
    await expect(page.locator(".pane .composer")).to_have_count(0)
    await expect(page.locator("h1 .tag")).to_have_text("Archived")


async def test_a_long_history_comes_by_pages_and_keeps_its_place(
    desk: Desk, workspace: LocalWorkspace
) -> None:
    workspace.flood("general", "bob", 5000, text="line {n}.")
    page = await desk.sit("alice")
    await page.keyboard.press("Escape")
    await expect(page.locator(".message").last).to_be_attached()
    assert await page.locator(".message").count() <= 120
    scroller = page.locator(".list-frame .scroller")
    await expect(page.locator(".message", has_text="line 4999.")).to_be_in_viewport()
    for _ in range(8):
        oldest = await page.locator(".message").first.get_attribute("data-ts")
        await scroller.evaluate("(el) => { el.scrollTop = 0; }")
        await expect(page.locator(".message").first).not_to_have_attribute("data-ts", oldest or "")
        assert await page.locator(".message").count() <= 300
        await expect(page.locator(f'.message[data-ts="{oldest}"]')).to_be_in_viewport()
    await page.get_by_role("button", name="Jump to newest").click()
    await expect(page.locator(".message", has_text="line 4999.")).to_be_in_viewport()
    await workspace.person("bob").send("general", "and one more")
    await expect(message(page, "and one more")).to_be_in_viewport()


async def test_the_reader_is_not_moved_by_new_messages(desk: Desk, workspace: LocalWorkspace) -> None:
    workspace.flood("general", "bob", 100, text="line {n}.")
    page = await desk.sit("alice")
    scroller = page.locator(".list-frame .scroller")
    await scroller.evaluate("(el) => { el.scrollTop = el.scrollHeight; }")
    await scroller.evaluate("(el) => { el.scrollTop -= 900; }")
    await expect(page.get_by_role("button", name="Jump to newest")).to_be_visible()
    seen = page.locator(".message", has_text="line 80.")
    await expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
    before = await seen.bounding_box()
    await workspace.person("bob").send("general", "something new")
    await expect(page.locator(".message", has_text="something new")).to_be_attached()
    assert before is not None
    assert await seen.bounding_box() == before


async def test_after_a_lost_line_the_page_catches_up(desk: Desk, workspace: LocalWorkspace) -> None:
    desk.allowed = ["WebSocket", "ERR_"]
    page = await desk.sit("alice")
    await expect(composer(page)).to_be_visible()
    await page.context.set_offline(offline=True)
    await workspace.context.people.close()
    await expect(page.locator(".banner.severe")).to_contain_text("connection to the workspace was lost")
    await workspace.person("bob").send("general", "missed meanwhile")
    await page.context.set_offline(offline=False)
    await expect(message(page, "missed meanwhile")).to_be_visible(timeout=15_000)
    await expect(page.locator(".banner.severe")).to_have_count(0)
    await workspace.person("bob").send("general", "and live again")
    await expect(message(page, "and live again")).to_be_visible()


async def test_a_narrow_window_folds_the_sidebar(desk: Desk, workspace: LocalWorkspace) -> None:
    await workspace.person("bob").send("general", "a_word_that_does_not_end_" * 12)
    page = await desk.sit("alice", viewport={"width": 390, "height": 780})
    await expect(page.get_by_role("navigation", name="Channels and people")).not_to_be_visible()
    await page.get_by_role("button", name="Show channels").click()
    await page.locator(".place", has_text="deploys").click()
    await expect(page.get_by_role("heading", name="deploys", level=1)).to_be_visible()
    await expect(page.get_by_role("navigation", name="Channels and people")).not_to_be_visible()
    await page.get_by_role("button", name="Show channels").click()
    await page.locator(".place", has_text="general").click()
    await expect(message(page, "does_not_end")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390


async def test_the_keyboard_is_enough(desk: Desk, workspace: LocalWorkspace) -> None:
    await workspace.person("bob").send("general", "react to me")
    page = await desk.sit("alice")
    await expect(message(page, "react to me")).to_be_visible()
    await page.get_by_role("log").focus()
    await page.keyboard.press("ArrowUp")
    await expect(message(page, "react to me")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(message(page, "react to me").locator(".reaction")).to_contain_text("1")
    await page.keyboard.press("Control+k")
    await page.get_by_label("Channel, person or app").fill("depl")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="deploys", level=1)).to_be_visible()

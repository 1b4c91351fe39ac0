"""Cards, modals and the Home, against a real bot."""

import pytest
from playwright.async_api import Page, expect

from sandbox.workspace.local import LocalWorkspace
from tests.browser.conftest import Desk, composer, message
from tests.browser.peer import CARD, Peer
from tests.browser.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

BUSY = {"type": "context", "elements": [{"type": "mrkdwn", "text": "two"}]}


async def test_a_button_works_until_acked_and_the_card_changes_in_place(
    desk: Desk, workspace: LocalWorkspace, peer: Peer
) -> None:
    await peer.post(workspace.channel("general").id, "plan", blocks=CARD)
    page = await desk.sit("alice")
    card = message(page, "Roll back myapp?")
    await expect(card.get_by_role("heading")).to_have_text("Roll back myapp? 🚨")
    await card.evaluate("(el) => { el.marked = true; }")
    approve = card.get_by_role("button", name="Approve")
    await approve.click()
    await expect(approve).to_have_attribute("aria-busy", "true")
    await approve.click(force=True)
    await until(lambda: peer.of("action"), "the click arrived")
    peer.answer.set()
    await expect(card).to_contain_text("Approved by @alice")
    await expect(approve).not_to_have_attribute("aria-busy", "true")
    assert len(peer.of("action")) == 1, "a double click asks once"
    assert peer.of("action")[0]["actions"][0]["value"] == "plan-1"
    assert await card.evaluate("(el) => el.marked") is True


async def test_an_edit_keeps_the_open_menu_the_focus_and_the_place(
    desk: Desk, workspace: LocalWorkspace, peer: Peer
) -> None:
    channel = workspace.channel("general").id
    workspace.flood("general", "bob", 30)
    posted = await peer.post(channel, "plan", blocks=CARD)
    workspace.flood("general", "bob", 30)
    page = await desk.sit("alice")
    card = message(page, "Roll back myapp?")
    await card.scroll_into_view_if_needed()
    await card.get_by_role("button", name="Another version").click()
    await expect(page.get_by_role("listbox", name="Another version")).to_be_focused()
    before = await card.bounding_box()
    await peer.client.chat_update(channel=channel, ts=posted["ts"], text="plan", blocks=[*CARD[:3], BUSY])
    await expect(card).to_contain_text("two")
    await expect(page.get_by_role("listbox", name="Another version")).to_be_focused()
    after = await card.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) < 2
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await until(lambda: peer.of("action"), "the choice arrived")
    assert peer.of("action")[0]["actions"][0]["selected_option"]["value"] == "v1.2.7"
    await expect(card.locator(".select")).to_contain_text("v1.2.7")


async def test_a_dangerous_button_asks_first(desk: Desk, workspace: LocalWorkspace, peer: Peer) -> None:
    await peer.post(workspace.channel("general").id, "plan", blocks=CARD)
    page = await desk.sit("alice")
    reject = message(page, "Roll back myapp?").get_by_role("button", name="Reject")
    await reject.click()
    dialog = page.get_by_role("dialog", name="Reject the plan?")
    await expect(dialog.locator("strong")).to_have_text("open")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(reject).to_be_focused()
    assert peer.of("action") == []
    await reject.click()
    await dialog.get_by_role("button", name="Reject it").click()
    await until(lambda: peer.of("action"), "the rejection arrived")


async def test_a_button_nobody_answers_warns(desk: Desk, workspace: LocalWorkspace, peer: Peer) -> None:
    await peer.post(workspace.channel("general").id, "plan", blocks=CARD)
    page = await desk.sit("alice")
    card = message(page, "Roll back myapp?")
    await card.get_by_role("button", name="Hold").click()
    await expect(card.get_by_role("alert")).to_contain_text("did not answer in time", timeout=10_000)
    await expect(card.get_by_role("button", name="Hold")).not_to_have_attribute("aria-busy", "true")


async def open_modal(page: Page) -> None:
    await composer(page).fill("/rollback")
    await composer(page).press("Enter")
    await expect(page.get_by_role("dialog", name="Roll back")).to_be_visible()


async def test_a_modal_is_validated_refused_corrected_and_sent(desk: Desk, peer: Peer) -> None:
    page = await desk.sit("alice")
    await open_modal(page)
    dialog = page.get_by_role("dialog", name="Roll back")
    submit = dialog.get_by_role("button", name="Make a plan")
    await submit.click()
    await expect(dialog.locator(".input-error")).to_have_text(["Please complete this required field."] * 2)
    assert peer.of("view") == []

    await dialog.get_by_role("combobox").or_(dialog.get_by_label("Service")).first.click()
    await page.keyboard.press("Enter")
    await expect(dialog.locator(".select").first).to_contain_text("myapp")
    await dialog.get_by_label("What do you see?").fill("bad")
    await dialog.get_by_label("Responders").click()
    await page.get_by_role("option", name="bob").click()
    await page.get_by_role("option", name="carol").click()
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_visible()
    await expect(dialog.locator(".chip")).to_have_text(["bob", "carol"])
    await submit.click()
    await expect(dialog.locator(".input-error")).to_have_text("Say what is broken, in words.")
    await expect(dialog.get_by_label("What do you see?")).to_be_focused()

    await dialog.get_by_label("What do you see?").fill("502 on checkout")
    await submit.click()
    await expect(dialog).to_have_count(0)
    view = peer.of("view")[-1]["view"]
    assert view["private_metadata"] == "kept by the workspace"
    assert view["state"]["values"]["service"]["service"]["selected_option"]["value"] == "myapp"
    assert view["state"]["values"]["severity"]["severity"]["selected_option"]["value"] == "High"
    assert view["state"]["values"]["people"]["people"]["selected_users"] == ["U0BOB", "U0CAROL"]


async def test_a_modal_stays_when_the_bot_does_not_answer(desk: Desk, peer: Peer) -> None:
    page = await desk.sit("alice")
    await open_modal(page)
    dialog = page.get_by_role("dialog", name="Roll back")
    await dialog.get_by_label("Service").click()
    await page.keyboard.press("Enter")
    await dialog.get_by_label("What do you see?").fill("silence")
    await dialog.get_by_role("button", name="Make a plan").click()
    await expect(dialog.get_by_role("alert")).to_have_text(
        "We had some trouble connecting. Try again?", timeout=10_000
    )
    await expect(dialog.get_by_label("What do you see?")).to_have_value("silence")


async def test_escape_closes_a_modal_and_the_bot_hears_of_it(desk: Desk, peer: Peer) -> None:
    page = await desk.sit("alice")
    await open_modal(page)
    for _ in range(20):  # the focus never leaves for the page behind
        await page.keyboard.press("Tab")
        assert await page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await until(lambda: peer.of("closed"), "view_closed arrived")
    await expect(composer(page)).to_be_focused()


async def test_the_home_is_shown_and_works(desk: Desk, peer: Peer) -> None:
    page = await desk.sit("alice")
    await page.locator(".place", has_text="kaeru").click()
    await expect(page.get_by_role("heading", name="Nothing is on fire")).to_be_visible()
    await page.get_by_role("button", name="Start a rollback").click()
    await until(lambda: peer.of("action"), "the click arrived")
    assert peer.of("action")[0]["view"]["type"] == "home"
    await page.get_by_role("tab", name="Home").press("ArrowRight")
    await expect(page.get_by_role("tab", name="Messages")).to_have_attribute("aria-selected", "true")
    await composer(page).fill("hello kaeru")
    await composer(page).press("Enter")
    await expect(message(page, "hello kaeru")).to_be_visible()


EVERYTHING = [
    {"type": "section", "text": {"type": "plain_text", "text": "Plain *stars* :tada:"}},
    {"type": "image", "image_url": "https://pictures.test/a.png", "alt_text": "A far picture"},
    {
        "type": "rich_text",
        "elements": [
            {"type": "rich_text_section", "elements": [{"type": "text", "text": "heavy", "style": {"bold": True}}]},
            {
                "type": "rich_text_list",
                "style": "ordered",
                "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "first step"}]}],
            },
        ],
    },
    {"type": "markdown", "text": "## Plan\n\n- [x] **done**\n- [ ] open\n\n| a | b |\n|---|---|\n| 1 | 2 |"},
    {
        "type": "actions",
        "elements": [
            {"type": "button", "action_id": "docs", "text": {"type": "plain_text", "text": "Docs"}, "url": "https://docs.test/"},
            {"type": "datepicker", "action_id": "date", "initial_date": "2026-11-24"},
            {"type": "timepicker", "action_id": "time", "initial_time": "18:01"},
            {
                "type": "overflow",
                "action_id": "more",
                "options": [
                    {"text": {"type": "plain_text", "text": "Export"}, "value": "e"},
                    {"text": {"type": "plain_text", "text": "Close"}, "value": "c"},
                ],
            },
            {
                "type": "checkboxes",
                "action_id": "checks",
                "options": [{"text": {"type": "mrkdwn", "text": "*Tell* them"}, "value": "t"}],
            },
        ],
    },
]  # fmt: skip


async def test_blocks_of_every_kind_are_drawn(desk: Desk, workspace: LocalWorkspace, peer: Peer) -> None:
    await peer.post(
        workspace.channel("general").id,
        "all",
        blocks=EVERYTHING,
        attachments=[
            {
                "color": "danger",
                "title": "Alert",
                "text": "3 % *errors*",
                "fields": [{"title": "Since", "value": "18:01", "short": True}],
            }
        ],
    )
    page = await desk.sit("alice")
    card = message(page, "Plain *stars* 🎉")
    await expect(card.locator("strong", has_text="heavy")).to_be_visible()
    await expect(card.locator("ol li")).to_have_text("first step")
    await expect(card.get_by_role("heading", name="Plan")).to_be_visible()
    await expect(card.get_by_role("img", name="done")).to_be_visible()
    await expect(card.get_by_role("cell", name="2")).to_be_visible()
    await expect(card.get_by_role("link", name="A far picture")).to_have_attribute(
        "href", "https://pictures.test/a.png"
    )
    await expect(card.get_by_role("link", name="Docs")).to_have_attribute("href", "https://docs.test/")
    await expect(card.get_by_label("Date", exact=True)).to_have_value("2026-11-24")
    await expect(card.get_by_label("Time", exact=True)).to_have_value("18:01")
    await expect(card.get_by_role("checkbox", name="Tell them")).not_to_be_checked()
    await expect(card.locator(".attachment")).to_contain_text("Alert")
    await card.get_by_role("button", name="More options").click()
    await expect(page.get_by_role("menuitem")).to_have_text(["Export", "Close"])
    await page.keyboard.press("Escape")
    await expect(card.get_by_text("cannot show")).to_have_count(0)

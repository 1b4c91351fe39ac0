"""What people write and what they do with messages."""

import re
import struct
import zlib

import pytest
from playwright.async_api import FilePayload, expect

from sandbox.workspace.local import LocalWorkspace
from tests.browser.conftest import Desk, composer, message
from tests.browser.peer import Peer
from tests.browser.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def png(width: int, height: int) -> bytes:
    """A grey picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x80" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


async def test_a_message_is_written_edited_and_deleted(desk: Desk, workspace: LocalWorkspace) -> None:
    page = await desk.sit("alice")
    await composer(page).fill("first line")
    await composer(page).press("Shift+Enter")
    await composer(page).press_sequentially("second *bold* line")
    await composer(page).press("Enter")
    await expect(composer(page)).to_have_value("")
    mine = message(page, "first line")
    await expect(mine.locator("strong")).to_have_text("bold")

    await composer(page).press("ArrowUp")
    field = page.get_by_role("textbox", name="Edit message")
    await expect(field).to_have_value("first line\nsecond *bold* line")
    await field.fill("corrected & <kept>")
    await field.press("Enter")
    await expect(message(page, "corrected & <kept>")).to_contain_text("(edited)")
    stored = [one["text"] for one in await workspace.person("alice").messages("general")]
    assert stored[-1] == "corrected &amp; &lt;kept&gt;"

    await message(page, "corrected").hover()
    await message(page, "corrected").get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="Delete message").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page.locator(".message", has_text="corrected")).to_have_count(0)
    assert await workspace.person("alice").messages("general") == []


async def test_only_the_author_is_offered_to_edit(desk: Desk, workspace: LocalWorkspace) -> None:
    await workspace.person("bob").send("general", "from bob")
    page = await desk.sit("alice")
    await message(page, "from bob").hover()
    await expect(message(page, "from bob").get_by_role("button", name="Edit message")).to_have_count(0)
    await expect(message(page, "from bob").get_by_role("button", name="Reply in thread")).to_be_visible()


async def test_commands_are_completed_and_answered_to_one_person(desk: Desk, peer: Peer) -> None:
    page = await desk.sit("alice")
    other = await desk.sit("bob")
    await composer(page).press_sequentially("/")
    offered = page.get_by_role("option")
    await expect(offered).to_have_count(2)
    await expect(offered.first).to_contain_text("myapp [version] [--dry-run]")
    await composer(page).press("ArrowDown")
    await expect(offered.nth(1)).to_have_attribute("aria-selected", "true")
    await composer(page).press("Tab")
    await expect(composer(page)).to_have_value("/incident ")
    await expect(page.locator(".usage-hint")).to_contain_text("status | severity")
    await composer(page).press_sequentially("status")
    await composer(page).press("Enter")
    answer = message(page, "Only for you: status")
    await expect(answer).to_contain_text("Only visible to you")
    await expect(answer.locator(".badge")).to_have_text("APP")
    await expect(other.locator(".message", has_text="Only for you")).to_have_count(0)


async def test_a_command_nobody_answers_says_so(desk: Desk, peer: Peer) -> None:
    page = await desk.sit("alice")
    await composer(page).fill("/incident silence")
    await composer(page).press("Enter")
    await expect(message(page, "kaeru did not answer in time")).to_contain_text("Slackbot", timeout=10_000)
    await composer(page).fill("/nonsense")
    await composer(page).press("Enter")
    await expect(message(page, "no such command")).to_contain_text("Only visible to you")


async def test_without_a_bot_a_banner_says_so(desk: Desk, workspace: LocalWorkspace) -> None:
    page = await desk.sit("alice")
    await expect(page.locator(".banner")).to_contain_text("kaeru is not connected")
    async with Peer(workspace):
        await expect(page.locator(".banner")).to_have_count(0)
    await expect(page.locator(".banner")).to_contain_text("kaeru is not connected")


async def test_a_thread(desk: Desk, workspace: LocalWorkspace) -> None:
    await workspace.person("bob").send("general", "who owns checkout?")
    page = await desk.sit("alice")
    await message(page, "who owns").hover()
    await message(page, "who owns").get_by_role("button", name="Reply in thread").click()
    thread = page.get_by_role("complementary", name="Thread")
    await expect(thread).to_contain_text("who owns checkout?")
    await thread.get_by_label("Reply in thread").fill("payments do")
    await thread.get_by_label("Reply in thread").press("Enter")
    await expect(thread.locator(".message", has_text="payments do")).to_be_visible()
    await expect(page.locator(".pane .replies")).to_contain_text("1 reply")
    await expect(page.locator(".pane .message", has_text="payments do")).to_have_count(0)
    parent = (await workspace.person("bob").messages("general"))[-1]
    await workspace.person("bob").send("general", "thanks", thread=parent["ts"])
    await expect(thread.locator(".message", has_text="thanks")).to_be_visible()
    await expect(page.locator(".pane .replies")).to_contain_text("2 replies")
    await thread.get_by_label("Reply in thread").press("Escape")
    await expect(thread).to_have_count(0)


async def test_reactions(desk: Desk, workspace: LocalWorkspace) -> None:
    ts = await workspace.person("bob").send("general", "deploy is out")
    page = await desk.sit("alice")
    await message(page, "deploy is out").hover()
    await message(page, "deploy is out").get_by_role("button", name="React with eyes").click()
    eyes = message(page, "deploy is out").locator(".reaction", has_text="👀")
    await expect(eyes).to_have_attribute("aria-pressed", "true")
    await workspace.person("bob").react("general", ts, "eyes")
    await expect(eyes).to_contain_text("2")
    await eyes.click()
    await expect(eyes).to_contain_text("1")
    await expect(eyes).to_have_attribute("aria-pressed", "false")

    await message(page, "deploy is out").hover()
    await message(page, "deploy is out").get_by_role("button", name="Add reaction").click()
    await page.get_by_label("Search emoji").fill("rocket")
    await page.get_by_role("button", name="rocket").click()
    await expect(message(page, "deploy is out").locator(".reaction", has_text="🚀")).to_be_visible()


async def test_pictures_and_texts_are_shown(desk: Desk, workspace: LocalWorkspace) -> None:
    page = await desk.sit("alice")
    upload: FilePayload = {"name": "errors.png", "mimeType": "image/png", "buffer": png(300, 120)}
    await page.locator("input[type=file]").set_input_files(upload)
    picture = page.get_by_role("img", name="errors.png")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("async (img) => { await img.decode(); return img.naturalWidth; }") == 300
    await page.get_by_role("button", name="Enlarge: errors.png").click()
    await expect(page.get_by_role("dialog").get_by_role("img", name="errors.png")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)

    report = (
        "# Postmortem\n\n**Impact**: 3 %\n\n| time | what |\n|---|---|\n| 18:01 | deploy |\n"
        + "\nline\n" * 20
    )
    await workspace.person("bob").upload("general", "postmortem.md", report.encode())
    snippet = page.locator(".snippet")
    await expect(snippet.get_by_role("heading", name="Postmortem")).to_be_visible()
    await expect(snippet.get_by_role("cell", name="deploy")).to_be_visible()
    async with page.expect_download() as downloading:
        await snippet.get_by_role("link", name="Download postmortem.md").click()
    assert (await (await downloading.value).path()).read_text() == report


ATTACKS = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "*<b onmouseover=window.hit=1>bold</b>*",
    "`</code><svg onload=window.hit=1>`",
    "<https://x.test|<img src=x onerror=window.hit=1>>",
]


async def test_markup_in_messages_stays_text(desk: Desk, workspace: LocalWorkspace, peer: Peer) -> None:
    page = await desk.sit("alice")
    channel = workspace.channel("general").id
    for attack in ATTACKS:
        await workspace.person("bob").send("general", attack)
        await peer.post(channel, attack)
        await peer.post(
            channel, "blocks", blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": attack}}]
        )
        await peer.post(channel, "md", blocks=[{"type": "markdown", "text": attack}])
    await peer.post(channel, "last: <javascript:window.hit=1|click> and <data:text/html,x|data>")
    await expect(message(page, "last:")).to_contain_text("last: click and data")
    await expect(message(page, "last:").locator("a")).to_have_count(0)
    await expect(page.locator(".message", has_text="<script>window.hit = 1</script>").first).to_be_visible()
    assert await page.locator(".message :is(script, img, b, svg:not(.icon))").count() == 0
    assert await page.evaluate("window.hit") is None


MRKDWN = [
    ("*bold* _it_ ~st~ `co*de*`", "<strong>bold</strong> <em>it</em> <s>st</s> <code>co*de*</code>"),
    ("a_file_name and 2*3*4", "a_file_name and 2*3*4"),
    ("*not bold* at*all*", "<strong>not bold</strong> at*all*"),
    ("*_both_*", "<strong><em>both</em></strong>"),
    ("&lt;b&gt; &amp;amp; R&amp;D", "&lt;b&gt; &amp;amp; R&amp;D"),
    ("<https://a.test/?x=1&amp;y=2|label>", '<a href="https://a.test/?x=1&amp;y=2" target="_blank" rel="noopener noreferrer">label</a>'),
    ("&gt; quoted\nplain", "<blockquote>quoted</blockquote>plain"),
    ("one\ntwo\n\nfour", "one<br>two<br><br>four"),
    ("```\nx *y*\n```", "<pre><code>x *y*</code></pre>"),
    ("hi <@U0BOB>, <!here>", 'hi <span class="mention">@bob</span>, <span class="mention broadcast">@here</span>'),
    ("<!date^1700000000^{date_num} {time}|old>", '<time title="Tuesday 14 November 2023 at 22:13:20">14/11/2023 22:13</time>'),
    (":not_an_emoji: 10:30:45", ":not_an_emoji: 10:30:45"),
]  # fmt: skip


async def test_mrkdwn_reads_as_in_slack(desk: Desk) -> None:
    page = await desk.sit("alice")
    script = """async (text) => {
      const { mrkdwn } = await import("/static/mrkdwn.js");
      const { draw, h } = await import("/static/dom.js");
      const root = document.createElement("div");
      draw(root, null, h("div", {}, mrkdwn(text)));
      return root.firstChild.innerHTML;
    }"""
    for text, wanted in MRKDWN:
        html = await page.evaluate(script, text)
        assert re.sub(r"(Tuesday),", r"\1", html) == wanted, text


async def test_names_are_completed_and_become_mentions(desk: Desk, workspace: LocalWorkspace) -> None:
    page = await desk.sit("alice")
    await composer(page).press_sequentially("please look @bo")
    await expect(page.get_by_role("option")).to_have_count(1)
    await expect(page.get_by_role("option")).to_contain_text("bob")
    await composer(page).press("Enter")
    await composer(page).press_sequentially("in #dep")
    await composer(page).press("Tab")
    await composer(page).press("Enter")
    await expect(message(page, "please look").locator(".mention").first).to_have_text("@bob")
    stored = (await workspace.person("bob").messages("general"))[-1]["text"]
    assert stored.startswith("please look <@U0BOB> in <#C0DEPLOYS")


async def test_a_message_shortcut_reaches_the_bot(desk: Desk, workspace: LocalWorkspace, peer: Peer) -> None:
    ts = await workspace.person("bob").send("general", "errors began at 18:01")
    page = await desk.sit("alice")
    await message(page, "errors began").hover()
    await message(page, "errors began").get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="Add to timeline").click()
    await until(lambda: peer.of("shortcut"), "the bot heard of the shortcut")
    assert peer.of("shortcut")[0]["message"]["ts"] == ts
    assert peer.of("shortcut")[0]["user"]["id"] == "U0ALICE"

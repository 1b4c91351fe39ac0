"""The whole story, lived on the page: one person plays requester and approver against the real bot."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from sandbox.demo.play import Play
from sandbox.demo.stage import BAD, GOOD, Stage
from sandbox.workspace.person import Person

SLOW_MS = 40_000


@pytest_asyncio.fixture(loop_scope="session")
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Stage(tmp_path / "demo", watch="3s") as stage:
        async with await Person.at(stage.url, "alice") as alice:
            await Play(stage, lambda _line: None).until_known_good(alice)
        await stage.deploy(BAD)
        yield stage


async def act_as(page: Page, name: str) -> None:
    await page.get_by_role("button", name=re.compile("Acting as")).click()
    await page.get_by_role("menuitemradio", name=re.compile(name)).click()


async def say(page: Page, text: str) -> None:
    box = page.get_by_role("textbox", name=re.compile("Message"))
    await box.fill(text)
    await box.press("Enter")


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.timeout(180)
async def test_a_bad_release_is_rolled_back_on_the_page(stage: Stage, browser: Browser) -> None:
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    await page.goto(f"{stage.url}/?as=alice&in=general")
    await say(page, "/rollback shop")
    channel = page.get_by_role("link", name=re.compile("inc-.*-shop-1")).or_(
        page.get_by_role("button", name=re.compile("inc-.*-shop-1"))
    )
    await channel.first.click()
    await page.get_by_role("button", name="Critical", exact=True).click()
    await expect(page.get_by_role("heading", name=f"Roll shop back to {GOOD}")).to_be_visible(timeout=SLOW_MS)

    await page.get_by_role("button", name="Approve", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button").last.click()
    await expect(page.get_by_text("the policy wants another person's approval")).to_be_visible()

    await act_as(page, "bob")
    await page.get_by_role("button", name="Approve", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button").last.click()
    await expect(page.get_by_text(f"shop is back on {GOOD}").first).to_be_visible(timeout=SLOW_MS)
    await expect(page.get_by_role("heading", name=re.compile("^Verified"))).to_be_visible(timeout=SLOW_MS)

    await say(page, "/incident close")
    await page.get_by_role("checkbox").first.check()
    await page.get_by_role("button", name="Close it").click()
    await expect(page.get_by_role("img", name=re.compile(r"inc-.*\.png"))).to_be_visible(timeout=SLOW_MS)
    await expect(page.get_by_text(re.compile(r"Postmortem inc-.*shop")).first).to_be_visible()
    await page.close()
    assert complaints == []

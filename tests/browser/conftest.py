"""A browser, a workspace and a bot for the tests of the page. Debian's chromium, driven by Playwright."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, async_playwright

from sandbox.workspace.local import LocalWorkspace
from tests.browser.peer import Peer
from tests.chromium import chromium

MANIFEST = Path(__file__).parents[2] / "manifest.yml"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def required_chromium() -> str:
    """The browser's path. Without one the tests are skipped; in CI that is a failure instead."""
    path = chromium()
    if path:
        return path
    reason = (
        "THE PAGE IS NOT TESTED: there is no chromium. Run `apt-get install chromium` or set KAERU_CHROMIUM."
    )
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = required_chromium()
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        await running.close()


@dataclass
class Desk:
    """Opens pages of the workspace as people, and keeps what went wrong in them."""

    browser: Browser
    workspace: LocalWorkspace
    stack: AsyncExitStack
    complaints: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    async def sit(self, person: str, place: str = "general", **context: Any) -> Page:
        """A page in a browser of its own, once the place is on screen. `context` as for Browser.new_context."""
        options = {
            "viewport": {"width": 1280, "height": 800},
            "locale": "en-GB",
            "timezone_id": "UTC",
            **context,
        }
        session = await self.browser.new_context(**options)
        self.stack.push_async_callback(session.close)
        page = await session.new_page()
        page.set_default_timeout(8000)
        page.on("console", self.on_console)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.on("request", self.on_request)
        await page.goto(f"{self.workspace.url}?as={person}&in={place}")
        await page.wait_for_selector("h1")
        return page

    def on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(part in message.text for part in self.allowed):
            self.complaints.append(f"console: {message.text}")

    def on_request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme != "data" and address.netloc != urlsplit(self.workspace.url).netloc:
            self.complaints.append(f"a request left the workspace: {request.url}")


@pytest_asyncio.fixture(loop_scope="session")
async def workspace() -> AsyncIterator[LocalWorkspace]:
    async with LocalWorkspace(manifest=MANIFEST, rate_limits=False) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def peer(workspace: LocalWorkspace) -> AsyncIterator[Peer]:
    """A bot made of nothing but Bolt, connected over Socket Mode."""
    async with Peer(workspace) as connected:
        yield connected


@pytest_asyncio.fixture(loop_scope="session")
async def desk(browser: Browser, workspace: LocalWorkspace) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        seat = Desk(browser, workspace, stack)
        yield seat
    assert seat.complaints == []


def message(page: Page, text: str | re.Pattern[str]) -> Locator:
    """The latest message on screen with this text."""
    return page.locator(".message", has_text=text).last


def composer(page: Page) -> Locator:
    return page.locator(".pane .composer textarea").last

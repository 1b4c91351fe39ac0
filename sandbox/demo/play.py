"""The demo's story, played by itself: two people, one bad release, and everything that is claimed is checked."""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from sandbox.demo.places import BAD, GOOD
from sandbox.demo.stage import Stage
from sandbox.workspace import forms
from sandbox.workspace.person import Person

PNG = b"\x89PNG\r\n\x1a\n"
WELL_SECONDS = 3
BADLY_SERVED = "500 /checkout"
"""What the bad release does to customers. Whatever else befalls them comes of the way it was deployed or taken back."""
BEFORE_ANYBODY_NOTICES_S = 4.0
"""People do not notice at once; meanwhile kaeru's own probes see how ill it is."""


class NotAsPromised(Exception):
    """Something that the demo claims was not observed."""


class Play:
    """Alice asks, Bob approves. Each stage is printed with the seconds since the beginning."""

    def __init__(self, stage: Stage, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._say = say
        self._began = time.monotonic()

    def _tell(self, line: str) -> None:
        self._say(f"{time.monotonic() - self._began:6.1f} s  {line}")

    async def run(self) -> None:
        """Raises NotAsPromised, or TimeoutError where something never came."""
        stage = self._stage
        async with await Person.at(stage.url, "alice") as alice, await Person.at(stage.url, "bob") as bob:
            await self.until_known_good(alice)
            self._tell(f"someone deploys {BAD}")
            await stage.deploy(BAD)
            hurt = await self._until(self._customers_hurt, "customers to be hurt")
            self._tell(f"customers are hurt: {hurt}")
            await asyncio.sleep(BEFORE_ANYBODY_NOTICES_S)
            await alice.command("#general", "/rollback shop")
            self._tell("alice types /rollback shop")
            channel = (await alice.channel("inc-"))["id"]
            name = (await alice.channel("inc-"))["name"]
            self._tell(f"#{name} is open")
            prompt = await alice.message(channel, "How bad", timeout=10)
            await alice.click(prompt, "Critical")
            self._tell("alice says it is Critical")
            card = await bob.message(channel, lambda m: _has_button(m, "Approve"), timeout=10)
            self._tell(f"the plan is there: {forms.text_of(card).splitlines()[0]}")
            await alice.send(channel, "checkout is failing for a third of our customers")
            slip = await bob.send(channel, "looking at the card, aproving")
            await bob.edit(channel, slip, "looking at the card, approving")
            await bob.click(card, "Approve")
            self._tell("bob approves")
            well = await self._until(self._customers_well, "customers to be well again", timeout_s=40)
            self._tell(f"customers are well again: {well}")
            well_since = len(stage.seconds()) - WELL_SECONDS
            await alice.message(channel, "Mitigated", timeout=60)
            self._tell("kaeru says mitigated")
            await alice.message(channel, "Verified", timeout=90)
            self._tell("kaeru says verified")
            await alice.command(channel, "/incident close accept Rolled back the currency change.")
            self._tell("alice closes the incident")
            await self._postmortem(alice, channel)
            await self._verified_from_outside()
            self._served_all_along(well_since)
            await self._timeline(name)
            await self._lived_through()

    async def until_known_good(self, alice: Person) -> None:
        """Wait until kaeru has seen the good version serve well long enough to know what good looks like."""

        async def known() -> str | None:
            home = await alice.open_home()
            text = forms.text_of(home) if home else ""
            return text if GOOD in text and "seen serving well" in text else None

        await self._until_async(known, f"kaeru to know {GOOD}", timeout_s=30, every_s=0.5)
        self._tell(f"{GOOD} serves; kaeru has seen that it is good")

    def _customers_hurt(self) -> str | None:
        for second in self._stage.seconds()[-3:]:
            if second["failed"] and BAD in second["versions"]:
                return (
                    f"{second['failed']} of {second['failed'] + second['ok']} requests failed in one second"
                )
        return None

    def _customers_well(self) -> str | None:
        recent = self._stage.seconds()[-WELL_SECONDS:]
        well = len(recent) == WELL_SECONDS and all(s["ok"] and not s["failed"] for s in recent)
        if well and all(set(s["versions"]) == {GOOD} for s in recent):
            return f"{sum(s['ok'] for s in recent)} requests in {WELL_SECONDS} s, all answered by {GOOD}"
        return None

    async def _postmortem(self, alice: Person, channel: str) -> None:
        report = await alice.message(channel, _has_file(".md"), timeout=60)
        picture = await alice.message(channel, _has_file(".png"), timeout=60)
        text = (await alice.download(_file(report, ".md")["url_private"])).decode()
        image = await alice.download(_file(picture, ".png")["url_private"])
        if GOOD not in text or BAD not in text:
            raise NotAsPromised("the postmortem does not name the versions")
        if not image.startswith(PNG):
            raise NotAsPromised("the postmortem's picture is no PNG")
        digest = hashlib.sha256(image).hexdigest()[:8]
        self._tell(f"the postmortem is posted, {len(text.splitlines())} lines, with its picture ({digest})")

    async def _verified_from_outside(self) -> None:
        async with httpx.AsyncClient(base_url=self._stage.shop_url, timeout=5) as client:
            answers = [await client.get(path) for path in ("/version", "/products", "/cart", "/checkout") * 5]
        wrong = [a for a in answers if a.status_code != 200 or a.headers.get("X-Version") != GOOD]
        if wrong:
            raise NotAsPromised(f"{len(wrong)} of {len(answers)} requests were not answered well by {GOOD}")
        self._tell(f"the service is healthy on {GOOD}: {len(answers)} of {len(answers)} requests")

    def _served_all_along(self, well_since: int) -> None:
        """Neither the rollouts nor what came after them cost a customer's request."""
        seconds = self._stage.seconds()
        after = seconds[well_since:]
        errors = sum((Counter(second["errors"]) for second in after), Counter[str]())
        strange = {v for second in after for v in second["versions"]} - {GOOD}
        if errors or strange:
            raise NotAsPromised(
                f"after customers were well again, requests failed ({dict(errors)}) "
                f"or were answered by {', '.join(strange) or 'no other version'}"
            )
        lost = sum((Counter(second["errors"]) for second in seconds), Counter[str]())
        hurt = lost.pop(BADLY_SERVED, 0)
        if lost:
            raise NotAsPromised(f"requests were lost on the way there or back: {dict(lost)}")
        answered = sum(second["ok"] for second in after)
        self._tell(
            f"no request was lost: {hurt} were answered badly by {BAD}, and after it 0 of {answered} failed"
        )

    async def _timeline(self, incident: str) -> None:
        code, printed = await self._stage.kaeru("timeline", "verify", incident)
        if code != 0:
            raise NotAsPromised(f"the timeline does not verify: {printed.strip()}")
        self._tell(printed.strip().splitlines()[-1])

    async def _lived_through(self) -> None:
        dead = self._stage.dead()
        if dead:
            raise NotAsPromised(f"these have ended on the way: {', '.join(dead)}")

    async def _until(self, look: Callable[[], str | None], what: str, *, timeout_s: float = 30.0) -> str:
        async def looking() -> str | None:
            return look()

        return await self._until_async(looking, what, timeout_s=timeout_s)

    async def _until_async(self, look: Any, what: str, *, timeout_s: float, every_s: float = 0.1) -> str:
        deadline = time.monotonic() + timeout_s
        while (seen := await look()) is None:
            dead = self._stage.dead()
            if dead:
                raise NotAsPromised(
                    f"waited for {what}, but the {' and the '.join(dead)} ended; see {self._stage.data}"
                )
            if time.monotonic() > deadline:
                raise NotAsPromised(f"waited {timeout_s:.0f} s for {what} in vain")
            await asyncio.sleep(every_s)
        return str(seen)


def _has_button(message: dict[str, Any], label: str) -> bool:
    return any(
        element.get("type") == "button" and element["text"]["text"] == label
        for block in message.get("blocks", ())
        for element in block.get("elements", ())
    )


def _has_file(ending: str) -> Callable[[dict[str, Any]], bool]:
    return lambda message: any(f["name"].endswith(ending) for f in message.get("files", ()))


def _file(message: dict[str, Any], ending: str) -> dict[str, Any]:
    found: dict[str, Any] = next(f for f in message["files"] if f["name"].endswith(ending))
    return found

"""Whole incidents of the real shop: the plan card, the run against a bare script, memory, a crowd of commands."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from sandbox.demo.play import Play
from sandbox.demo.stage import BAD, GOOD
from sandbox.workspace.model import Json
from sandbox.workspace.person import Person
from tests.bench import script
from tests.bench.database import Looking
from tests.bench.result import Result, at_most, median, spread
from tests.bench.world import Incident, ShopStage, calls, type_at_once

NAMES = ("plan_card_sequential_calls", "plan_card_s", "run_over_script", "rss_mb", "ack_p99_ms")
RUNS = 5
ROUNDS, INTERVAL_S = 5, 0.5
"""As in the demo's kaeru.yml."""
CROWD, CROWDS = 200, 6
PEOPLE = ("alice", "bob", "carol", "dan")


@dataclass
class Taken:
    chains: list[list[str]] = field(default_factory=list)
    card_s: list[float] = field(default_factory=list)
    run_s: list[float] = field(default_factory=list)
    script_s: list[float] = field(default_factory=list)
    rss_mb: float = 0.0


class Shop:
    """The stage with its two people and a look into the bot's database."""

    def __init__(self, stage: ShopStage, alice: Person, bob: Person) -> None:
        self.stage = stage
        self.alice = alice
        self.bob = bob
        self.database = Looking(stage.database)
        self.taken = Taken()

    async def incident(self) -> None:
        """From the bad deploy to the closed incident."""
        await self.stage.deploy(BAD)
        incident = Incident(self.alice, self.database, "shop")
        sent = await incident.declare()
        clicked = await incident.say_how_bad()
        card = await incident.plan_card()
        self._note_card(await calls(self.stage.url), incident.channel, sent, clicked)
        approved = asyncio.get_running_loop().time()
        await self.bob.click(card, "Approve")
        self.taken.run_s.append(await incident.reached("mitigated") - approved)
        await incident.reached("verified")
        await self.alice.command(incident.channel, "/incident close accept Taken back.")
        posted = "SELECT 1 FROM kaeru_timeline WHERE incident_id = ? AND body LIKE '%\"postmortem_posted\"%'"
        await self.database.until(posted, incident.id, timeout_s=60)
        await self.alice.message(incident.channel, _has_picture, timeout=60)

    async def by_script(self) -> None:
        """The same deploy, taken back by the bare script."""
        await self.stage.deploy(BAD)
        root = self.stage.shop
        self.taken.script_s.append(
            await script.roll_back(
                root,
                GOOD,
                restart=[str(root / "restart")],
                url=self.stage.shop_url,
                rounds=ROUNDS,
                interval_s=INTERVAL_S,
            )
        )

    def _note_card(self, made: list[Json], channel: str, sent: float, clicked: float) -> None:
        """Every call about the incident's channel counts, from its creation to the card, as if none overlapped."""
        lane = [
            one
            for one in made
            if one["began"] >= sent
            and (one["method"] == "conversations.create" or one["channel"] == channel)
            and one["method"] in ("conversations.create", "chat.postMessage", "chat.update")
        ]
        shown = next(
            i for i, one in enumerate(lane) if one["began"] > clicked and one["method"] == "chat.postMessage"
        )
        prompted = next(one["ended"] for one in lane if one["method"] == "chat.postMessage")
        self.taken.chains.append([one["method"] for one in lane[: shown + 1]])
        self.taken.card_s.append(lane[shown]["ended"] - sent - (clicked - prompted))

    async def crowd(self) -> tuple[list[float], str]:
        """The 99th percentile of the acks of many commands at once, each time; and how they were spread."""
        incident = Incident(self.alice, self.database, "shop")
        await incident.declare()
        await incident.say_how_bad()
        await incident.plan_card()
        for name in PEOPLE[1:]:
            async with await Person.at(self.stage.url, name) as person:
                await person.join(incident.channel)
        commands = [
            (PEOPLE[n % len(PEOPLE)], incident.channel, ("/incident status", "/rollback shop")[n // 4 % 2])
            for n in range(CROWD)
        ]
        p99s, notes = [], []
        handled = "SELECT NOT EXISTS (SELECT 1 FROM kaeru_inbox WHERE state = 'new')"
        for n in range(CROWDS + 1):
            acked = await type_at_once(self.stage.url, commands)
            await self.database.until(handled, timeout_s=60)
            if n == 0:
                continue  # the first crowd warms up
            p99s.append(float(acked["p99"]))
            notes.append(f"{acked['p50']:.0f}/{acked['p99']:.0f}/{acked['max']:.0f}")
            if acked["refused"] or acked["count"] != CROWD:
                raise RuntimeError(f"{acked['refused']} of {CROWD} commands were not acknowledged in time")
        return p99s, ", ".join(notes)


async def measure(data: Path) -> list[Result]:
    async with (
        ShopStage(data, watch="1s") as stage,
        await Person.at(stage.url, "alice") as alice,
        await Person.at(stage.url, "bob") as bob,
    ):
        shop = Shop(stage, alice, bob)
        taken = shop.taken
        await Play(stage, lambda _line: None).until_known_good(alice)
        for n in range(RUNS + 1):
            await shop.incident()
            if n == 0:
                taken.rss_mb = psutil.Process(stage.bot_pid).memory_info().rss / 2**20
            await shop.by_script()
        p99s, crowds = await shop.crowd()
        shop.database.close()
    # The first incident warms up.
    run_s, script_s, card_s = taken.run_s[1:], taken.script_s[1:], taken.card_s[1:]
    ratio = median(run_s) / median(script_s)
    longest = max(taken.chains, key=len)
    return [
        Result(
            "plan_card_sequential_calls",
            len(longest),
            "calls",
            at_most(6),
            f"Slack calls of the channel's lane from /rollback to the plan card, as if none overlapped: {', '.join(longest)}; {min(map(len, taken.chains))}–{len(longest)} of {len(taken.chains)}",
        ),
        Result(
            "plan_card_s",
            median(card_s),
            "s",
            at_most(1.0),
            f"from the command to the posted plan card without the person's time to click; median ({spread(card_s)})",
        ),
        Result(
            "run_over_script",
            ratio,
            "×",
            at_most(1.05),
            f"last approval to mitigated ÷ a bare script with the same restart and probes, in alternation; median {median(run_s):.2f} s ({spread(run_s, digits=2)}) ÷ {median(script_s):.2f} s ({spread(script_s, digits=2)})",
        ),
        Result(
            "rss_mb",
            taken.rss_mb,
            "MiB",
            at_most(150),
            "resident memory of the bot after its first whole incident, postmortem included",
        ),
        Result(
            "ack_p99_ms",
            median(p99s),
            "ms",
            at_most(100),
            f"{CROWD} commands typed at once, 99th percentile until acknowledged; median of {CROWDS} crowds (p50/p99/max: {crowds})",
        ),
    ]


def _has_picture(message: Json) -> bool:
    return any(file["name"].endswith(".png") for file in message.get("files", ()))

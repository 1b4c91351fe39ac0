"""The people of a story. They do what people do when a bot does not answer: look, and then try again."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sandbox.workspace import forms
from sandbox.workspace.session import ClientError
from tests.crash.scene import Scene
from tests.crash.victim import slot_of

Json = dict[str, Any]
Seen = TypeVar("Seen")
PATIENCE_S = 12.0
"""How long somebody looks for what they asked for before they ask again."""


class Story:
    """Alice asks, Bob approves, Alice closes. `channel` is the incident's, once there is one."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.alice = scene.workspace.person("alice")
        self.bob = scene.workspace.person("bob")
        self.channel = ""

    async def whole(self) -> None:
        await self.ask()
        await self.say_how_bad(await self.card("severity"))
        await self.talk()
        await self.approve(await self.open_plan())
        await self.until_verified()
        await self.close()
        await self.papers()

    async def ask(self) -> None:
        async def do() -> None:
            await self.alice.command("#general", "/rollback shop")

        self.channel = await self._insist("ask", do, self._room)
        await self.scene.until(self._both_are_here, "alice and bob to be invited")

    async def say_how_bad(self, prompt: Json) -> None:
        async def do() -> None:
            await self.alice.click(prompt, "Critical")

        await self._insist("severity", do, lambda: self.shown("plan-1"))

    async def talk(self) -> None:
        await self.alice.send(self.channel, "checkout fails for a third of our customers")
        slip = await self.bob.send(self.channel, "looking, aproving in a second")
        await self.bob.edit(self.channel, slip, "looking, approving in a second")

    async def open_plan(self, number: int = 1) -> Json:
        """The plan's card with its button. It stays in people's hands, whatever becomes of the bot."""
        return await self.scene.until(
            lambda: card if (card := self.shown(f"plan-{number}")) and has_button(card, "Approve") else None,
            "a plan to approve",
        )

    async def approve(self, card: Json, run: int = 1) -> None:
        async def do() -> None:
            await self.bob.click(card, "Approve")

        await self._insist("approve", do, lambda: self.shown(f"run-{run}"))

    async def until_verified(self, *, within: float = 40.0) -> Json:
        return await self.scene.until(
            lambda: card if (card := self.shown("outcome-1")) and "Verified" in forms.text_of(card) else None,
            "kaeru to say Verified",
            within=within,
        )

    async def give_back(self, card: Json) -> None:
        async def do() -> None:
            await self.bob.click(card, "Give back")

        def is_back() -> Json | None:
            shown = self.shown("outcome-1")
            return shown if shown and not has_button(shown, "Give back") and _is_settled(shown) else None

        await self._insist("give back", do, is_back)

    async def close(self) -> None:
        """With the form behind the button: opened, filled in, sent."""
        card = self.shown("outcome-1")
        assert card is not None

        async def open_form() -> None:
            await self.alice.click(card, "Close the incident")

        async def send() -> None:
            filled: dict[str, Any] = {"How did it end?": "Rolled back the currency change."}
            if left := [o["text"]["text"] for o in _left_open(form)]:
                filled["Do you accept it, by your name?"] = left
            await self.alice.submit_view(form, filled)

        form = await self._insist_async("form", open_form, self._form)
        await self._insist("close", send, lambda: self.shown("closed"))

    async def papers(self) -> None:
        await self.scene.until(lambda: len(self.files()) >= 2, "the postmortem and its picture")

    async def card(self, slot: str) -> Json:
        return await self.scene.until(lambda: self.shown(slot), f"the card {slot}")

    async def tell(self, text: str) -> None:
        """A command of Alice's in the incident's channel; she does not mind that nobody answers."""
        try:
            await self.alice.command(self.channel, text)
        except ClientError as error:
            if error.code != "dispatch_failed":
                raise

    # what there is to see

    def messages(self, channel: str | None = None) -> list[Json]:
        """Everything in a channel, with Slack's hidden fields."""
        place = channel or self.channel
        return [{**m, "channel": place} for m in self.scene.workspace.channel(place).messages.values()]

    def shown(self, slot: str) -> Json | None:
        return next((m for m in self.messages() if slot_of(key_of(m)) == slot), None)

    def files(self) -> list[Json]:
        return [file for message in self.messages() for file in message.get("files", ())]

    def _room(self) -> str | None:
        names = self.scene.workspace.state.names
        return next((channel for name, channel in names.items() if name.startswith("inc-")), None)

    def _both_are_here(self) -> bool:
        return {self.alice.id, self.bob.id} <= set(self.scene.workspace.channel(self.channel).members)

    async def _form(self) -> Json | None:
        return next((view for view in await self.alice.open_modals()), None)

    async def _insist(
        self, what: str, do: Callable[[], Awaitable[None]], look: Callable[[], Seen | None]
    ) -> Seen:
        async def looking() -> Seen | None:
            return look()

        return await self._insist_async(what, do, looking)

    async def _insist_async(
        self, what: str, do: Callable[[], Awaitable[None]], look: Callable[[], Awaitable[Seen | None]]
    ) -> Seen:
        """Do it, and again where nothing came of it."""
        for _ in range(4):
            await self.scene.connected()
            try:
                await do()
            except ClientError as error:
                if error.code == "no_bot":
                    continue  # it left before anything was sent
                if error.code != "dispatch_failed":
                    raise
            try:
                return await self.scene.until_async(look, what, within=PATIENCE_S)
            except TimeoutError:
                continue
        raise AssertionError(f"{what} was tried again and again in vain; see {self.scene.bot.log}")


def key_of(message: Json) -> str:
    """What the bot marks its messages with; empty for everybody else's."""
    return str(message.get("metadata", {}).get("event_payload", {}).get("key", ""))


def _left_open(form: Json) -> list[Json]:
    """The boxes for what stays open."""
    return [
        option
        for block in form["blocks"]
        if block.get("block_id") == "accepted"
        for option in block["element"]["options"]
    ]


def _is_settled(card: Json) -> bool:
    return "asked to give it back" not in forms.text_of(card)


def has_button(message: Json, label: str) -> bool:
    return any(
        element["type"] == "button" and forms.label(element) == label
        for _, element in forms.elements(message)
    )

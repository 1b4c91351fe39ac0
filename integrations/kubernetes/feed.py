"""A list of objects that is kept up to date by watching it."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from bot.ports.errors import Unavailable
from integrations.kubernetes.api import Api
from integrations.kubernetes.template import Json

PAUSE_S = 0.5
"""Between two lists where watching fails: then it is polled, which is slower and no less true."""

SHORT_S = 1.0


class Feed:
    """Everything at `path` that the selectors fit. `changed` is called after every change, and after each list.

    `objects` are by uid, None until they have been listed for the first time.
    """

    def __init__(
        self, api: Api, path: str, changed: Callable[[], None], *, labels: str = "", fields: str = ""
    ) -> None:
        self._api = api
        self._path = path
        self._changed = changed
        self._labels = labels
        self._fields = fields
        self._version = ""
        self.objects: dict[str, Json] | None = None

    def begin(self, found: Json) -> None:
        """Go on from one object that was read already, and that is all there is; the first list is spared."""
        self._version = found["metadata"]["resourceVersion"]
        self.objects = {found["metadata"]["uid"]: found}

    async def run(self) -> None:
        """Never ends by itself. Raises what listing raises; a watch that breaks is no trouble yet."""
        clock = asyncio.get_running_loop().time
        listed_already = self.objects is not None
        while True:
            if not listed_already:
                await self._list()
            listed_already = False
            try:
                while True:
                    began = clock()
                    await self._watch()
                    # A proxy may end each watch at once; a server lets it last for seconds.
                    if clock() < began + SHORT_S:
                        await asyncio.sleep(PAUSE_S)
            except (
                Unavailable
            ):  # or Expired, again and again where the server has forgotten what it has just said
                await asyncio.sleep(PAUSE_S)

    async def _list(self) -> None:
        listed = await self._api.list(self._path, labels=self._labels, fields=self._fields)
        self._version = listed["metadata"]["resourceVersion"]
        self.objects = {one["metadata"]["uid"]: one for one in listed["items"]}
        self._changed()

    async def _watch(self) -> None:
        """Until the server ends it; the next watch goes on from where this one ended."""
        objects = self.objects = self.objects or {}
        events = self._api.watch(
            self._path, resource_version=self._version, labels=self._labels, fields=self._fields
        )
        async with aclosing(events):
            async for kind, found in events:
                metadata = found["metadata"]
                self._version = metadata["resourceVersion"]
                if kind == "BOOKMARK":
                    continue
                if kind == "DELETED":
                    objects.pop(metadata["uid"], None)
                else:
                    objects[metadata["uid"]] = found
                self._changed()

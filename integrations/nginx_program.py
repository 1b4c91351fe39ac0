"""nginx's own program: tests the configuration on disk and has it read again."""

import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from bot.domain.plan import Check
from integrations.process import Finished, TimedOut, redact, run

_COMMENT = re.compile(r"#[^\n]*")
_TOKEN = re.compile(r"[{};]|[^\s{};]+")


class NginxProgram:
    """`test` and `reload` are argv lists."""

    def __init__(self, *, test: Sequence[str], reload: Sequence[str], timeout_s: float) -> None:
        self._test = test
        self._reload = reload
        self._timeout_s = timeout_s

    @property
    def action(self) -> str:
        """A sentence that an approval is for."""
        return f"Run {redact(shlex.join(self._test))}, then {redact(shlex.join(self._reload))}"

    async def tested(self) -> str:
        """Why the configuration is not accepted, or nothing."""
        try:
            done = await self._run(self._test)
        except TimedOut as error:
            return f"the test of nginx's configuration was stopped: {str(error).rstrip('.')}"
        if done.code == 0:
            return ""
        # The last line only says that the test failed; the one that says why has a level in brackets.
        why = next((line for line in done.said if "[emerg]" in line), done.last_line)
        return f"nginx does not accept its configuration: {why or f'exit {done.code}'}"

    async def reloaded(self) -> str:
        """Why nginx did not begin to read its configuration again, or nothing. Raises TimedOut."""
        done = await self._run(self._reload)
        said = f": {done.last_line}" if done.last_line else ""
        return f"the reload ended with {done.code}{said}" if done.code else ""

    async def checks(self) -> tuple[Check, Check]:
        """Whether both programs are there, and the configuration is accepted as it is."""
        tester = _program("nginx's configuration", self._test)
        if tester.ok:
            failure = await self.tested()
            detail = failure.removeprefix("nginx does not accept its configuration: ")
            detail = detail or f"{shlex.join(self._test)} accepts it"
            tester = tester.model_copy(update={"ok": not failure, "detail": detail})
        return _program("reload command", self._reload), tester

    async def _run(self, argv: Sequence[str]) -> Finished:
        return await run(argv, timeout_s=self._timeout_s, cwd=Path("/"))


def tokens(content: bytes) -> list[str]:
    """What nginx reads of a file: spaces and comments mean nothing."""
    return _TOKEN.findall(_COMMENT.sub("", content.decode(errors="replace")))


def _program(name: str, argv: Sequence[str]) -> Check:
    found = shutil.which(argv[0])
    return Check(name=name, ok=found is not None, detail=found or f"{argv[0]} is not an executable program")

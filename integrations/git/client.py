"""git, as a program."""

import os
from collections.abc import Sequence
from pathlib import Path

from bot.ports.errors import Refused, Unavailable
from integrations.process import TimedOut, run

# No questions, no locks, no words in another language, and none of this machine's habits.
ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}
PASSED_ON = ("SSH_AUTH_SOCK", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")  # for fetching
CONFIGURATION = ("log.showSignature=false", "color.ui=false", "versionsort.suffix=-", "gc.auto=0")


class GitClient:
    """Runs git in one repository. Every method raises Unavailable after `timeout_s`, Refused where git fails."""

    def __init__(self, repository: Path, *, timeout_s: float) -> None:
        self._repository = repository
        self._timeout_s = timeout_s

    async def text(self, *arguments: str) -> str:
        """What `git ARGUMENTS` prints."""
        code, out, said = await self._run(arguments)
        if code != 0:
            raise self._refused(f"git {arguments[0]} failed in", said or f"exit {code}")
        return out

    async def commit_of(self, tag: str) -> str | None:
        """The commit that a tag points at; None where there is no such tag."""
        name = f"refs/tags/{tag}^{{commit}}"
        code, out, said = await self._run(("rev-parse", "--verify", "--quiet", name))
        if code == 0:
            return out.strip()
        if said:  # --quiet is silent about a missing tag, and about nothing else
            raise self._refused("git cannot read", said)
        return None

    async def lines(self, commit: str, paths: Sequence[str]) -> dict[str, str]:
        """The texts of files at a commit, none of them empty, in one call of git."""
        # Every line matches an empty pattern. `git archive` would leave out what .gitattributes tells it to.
        literal = [f":(top,literal){path}" for path in paths]
        out = await self.text(
            "grep", "-z", "--text", "--no-textconv", "--full-name", "-e", "", commit, "--", *literal
        )
        found: dict[str, list[str]] = {}
        for line in out.split("\n")[:-1]:
            name, _, content = line.partition("\0")
            found.setdefault(name.removeprefix(f"{commit}:"), []).append(content)
        return {path: "\n".join(content) + "\n" for path, content in found.items()}

    async def fetch_tags(self, remote: str) -> None:
        await self.text("fetch", "--quiet", "--tags", "--force", "--no-recurse-submodules", remote)

    async def _run(self, arguments: tuple[str, ...]) -> tuple[int, str, str]:
        settings = [part for line in CONFIGURATION for part in ("-c", line)]
        argv = ["git", "--no-pager", *settings, *arguments]
        if not self._repository.is_dir():
            raise Refused(
                f"There is no folder {self._repository}.",
                remedy="Clone the service's repository there, or correct `repository` in kaeru.yml.",
            )
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        # A folder that is no repository must not make git look for one above it.
        ceiling = {"GIT_CEILING_DIRECTORIES": str(self._repository.parent)}
        try:
            done = await run(
                argv,
                timeout_s=self._timeout_s,
                cwd=self._repository,
                environment=ENVIRONMENT | passed_on | ceiling,
            )
        except TimedOut as error:
            raise Unavailable(f"git {arguments[0]} took longer than {self._timeout_s:g} s.") from error
        return done.code, done.stdout.decode(errors="replace"), _gist(done.said)

    def _refused(self, what: str, said: str) -> Refused:
        remedy = "Check that it is a git repository and that the bot's user may read it."
        if "dubious ownership" in said:
            remedy = (
                "Give it to the user that runs kaeru, or let that user trust it: "
                f"git config --global --add safe.directory {self._repository}"
            )
        return Refused(f"{what} {self._repository}: {said.rstrip('.')}.", remedy=remedy)


def _gist(said: tuple[str, ...]) -> str:
    """The line that says what went wrong; around it git gives advice."""
    return next((line for line in said if line.startswith(("fatal: ", "error: "))), said[-1] if said else "")

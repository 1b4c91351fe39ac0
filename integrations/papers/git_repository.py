"""Postmortems as files of a git repository: one commit for each revision, pushed onto the branch as it is then."""

import tempfile
from pathlib import Path
from urllib.parse import quote

from bot.ports.errors import Conflict, PortError, Refused, Unavailable
from bot.ports.trackers import Filed, Paper
from integrations.papers.git import Git, Printed, gist
from integrations.papers.seal import revision_of, sealed
from integrations.papers.settings import GitRepositorySettings

TRIES = 5
"""How often it is done again because somebody else has pushed meanwhile."""
_FILE = ("100644", "100755")


class GitRepository:
    """`bot.ports.trackers.Papers` on a git repository. Needs no clone: each time it fetches the newest commit."""

    def __init__(self, settings: GitRepositorySettings) -> None:
        self._settings = settings

    @property
    def identity(self) -> str:
        own = self._settings
        return f"{own.remote} {own.branch}:{own.folder or '/'}"

    async def publish(self, paper: Paper) -> Filed:
        """See the port. Where the file is not what kaeru wrote there, it is left alone."""
        path = f"{self._settings.folder}/{paper.name}.md".removeprefix("/")
        with tempfile.TemporaryDirectory(prefix="kaeru-", ignore_cleanup_errors=True) as folder:
            git = Git(self._settings, Path(folder))
            await git.text("init", "--quiet", "--bare", "--template=", ".")
            for _ in range(TRIES):
                done = await self._attempt(git, Path(folder), paper, path)
                if done is not None:
                    return done
        raise Unavailable(
            f"Others push to {self._settings.branch} of {self._settings.remote} all the time.",
            retry_after_s=30.0,
        )

    async def check(self) -> str:
        """A push of what is there already, which is not carried out: the other side still decides who may push."""
        own = self._settings
        with tempfile.TemporaryDirectory(prefix="kaeru-", ignore_cleanup_errors=True) as folder:
            git = Git(own, Path(folder))
            await git.text("init", "--quiet", "--bare", "--template=", ".")
            head = await self._head(git)
            if head is None:
                return f"{own.remote} is empty; the first postmortem makes {own.branch}"
            await git.from_remote(
                "push", "--dry-run", "--no-verify", "--quiet", own.remote, f"{head}:refs/heads/{own.branch}"
            )
        return f"{own.branch} of {own.remote} can be fetched, and kaeru is let in to push"

    async def aclose(self) -> None:
        """Nothing is kept open."""

    async def _attempt(self, git: Git, folder: Path, paper: Paper, path: str) -> Filed | None:
        """Where the file is then; None where somebody pushed meanwhile."""
        head = await self._head(git)
        there = await self._there(git, head, path)
        if there is not None:
            revision = revision_of(there, paper.incident_id)
            if revision is None:
                raise Conflict(
                    f"Somebody has changed {path} in {self._settings.remote}, so it was left as it is.",
                )
            if revision >= paper.revision:
                return self._filed(path, already=True)
        commit = await self._commit(git, folder, paper, path, head)
        reference = f"refs/heads/{self._settings.branch}"
        done = await git.run(
            "push", "--porcelain", "--no-verify", self._settings.remote, f"{commit}:{reference}"
        )
        if done.code == 0:
            return self._filed(path)
        if await self._is_at(git, commit):
            return self._filed(path)
        self._judge(git, done)
        return None

    async def _head(self, git: Git) -> str | None:
        """The newest commit of the branch, fetched; None for a repository in which there is none at all."""
        own = self._settings
        reference = f"refs/heads/{own.branch}"
        done = await git.run(
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--no-write-fetch-head",
            "--force",
            own.remote,
            f"{reference}:refs/kaeru/head",
        )
        if done.code == 0:
            return (await git.text("rev-parse", "refs/kaeru/head")).strip()
        if not any("find remote ref" in line for line in done.said):
            git.failed("git fetch", done.said, writes=False)
        if await git.from_remote("ls-remote", "--heads", own.remote):
            raise Refused(
                f"{own.remote} has no branch {own.branch}.", remedy="Make it there, or correct `branch`."
            )
        return None

    async def _there(self, git: Git, head: str | None, path: str) -> str | None:
        """The file as it is; None where there is none. Raises Conflict for what is no file."""
        if head is None:
            return None
        listed = await git.text("ls-tree", "-z", "--full-tree", head, "--", path)
        if not listed:
            return None
        mode, _, rest = listed.partition(" ")
        kind, _, rest = rest.partition(" ")
        if kind != "blob" or mode not in _FILE:
            raise Conflict(f"{path} in {self._settings.remote} is not a file, so it was left as it is.")
        return await git.text("cat-file", "blob", rest.partition("\t")[0])

    async def _commit(self, git: Git, folder: Path, paper: Paper, path: str, head: str | None) -> str:
        """A commit on top of `head` with nothing changed but the file."""
        written, message = folder / "paper.md", folder / "message.txt"
        written.write_text(
            sealed(paper.markdown, paper.incident_id, paper.revision), encoding="utf-8", newline=""
        )
        message.write_text(f"{paper.title}, revision {paper.revision}\n", encoding="utf-8")
        blob = (await git.text("hash-object", "-w", "--no-filters", "--", str(written))).strip()
        index = {"GIT_INDEX_FILE": str(folder / "index")}
        await git.text("read-tree", head if head is not None else "--empty", environment=index)
        await git.text("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", environment=index)
        tree = (await git.text("write-tree", environment=index)).strip()
        parents = ("-p", head) if head is not None else ()
        return (await git.text("commit-tree", tree, *parents, "-F", str(message))).strip()

    async def _is_at(self, git: Git, commit: str) -> bool:
        """Whether the branch is at this commit: a push may arrive, and its answer not."""
        own = self._settings
        try:
            listed = await git.from_remote("ls-remote", own.remote, f"refs/heads/{own.branch}")
        except PortError:
            return False  # what the push itself said is what counts
        return listed.startswith(commit)

    def _judge(self, git: Git, done: Printed) -> None:
        """Nothing where it is to be done again; raises what the push said otherwise."""
        verdict = next((line for line in done.out.split("\n") if line.startswith("!")), "")
        if "[remote rejected]" in verdict and not _is_race(verdict):
            reason = verdict.rpartition("[remote rejected]")[2].strip().strip("()")
            told = (
                gist(done.said) if any(line.lower().startswith("remote:") for line in done.said) else reason
            )
            raise Refused(
                f"{self._settings.remote} does not take the push: {told}.",
                remedy=f"Let kaeru push to {self._settings.branch}, or name another branch.",
            )
        if "[rejected]" in verdict or _is_race(verdict):
            return
        git.failed("The push", done.said, writes=True)

    def _filed(self, path: str, *, already: bool = False) -> Filed:
        link = self._settings.link
        return Filed(reference=path, url=link.replace("{path}", quote(path)) if link else "", already=already)


def _is_race(verdict: str) -> bool:
    """Somebody else has pushed in the same moment."""
    return any(
        sign in verdict
        for sign in ("fetch first", "non-fast-forward", "cannot lock ref", "failed to update ref")
    )

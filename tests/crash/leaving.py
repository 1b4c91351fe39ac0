"""More places at which a bot dies: an issue or a paper is there, and nothing remembers that yet."""

from collections.abc import Callable

from bot.ports.trackers import Filed, Paper, Task
from integrations.papers.git_repository import GitRepository
from integrations.trackers.github import GithubTracker


def watch(passing: Callable[[str], None]) -> None:
    """`passing` hears of `filed` and `published`."""
    file, publish = GithubTracker.file, GitRepository.publish

    async def filed(self: GithubTracker, task: Task) -> Filed:
        done = await file(self, task)
        passing("filed")
        return done

    async def published(self: GitRepository, paper: Paper) -> Filed:
        done = await publish(self, paper)
        passing("published")
        return done

    GithubTracker.file = filed  # type: ignore[method-assign]  # notices, and goes on
    GitRepository.publish = published  # type: ignore[method-assign]  # notices, and goes on

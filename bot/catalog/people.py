"""Who is meant by a name in the services file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from bot.catalog.problems import did_you_mean
from bot.domain.base import UserId

SLACK_USER = re.compile(r"[UW][A-Z0-9]{2,20}")


@dataclass(frozen=True)
class Directory:
    """The people (name to Slack id) and groups (name to Slack ids) of one file."""

    people: Mapping[str, UserId] = field(default_factory=dict)
    groups: Mapping[str, tuple[UserId, ...]] = field(default_factory=dict)

    def resolve(self, name: str) -> tuple[UserId, ...] | None:
        """The Slack ids that `alice`, `@oncall`, `oncall` or `U0123ABCD` stands for; None if unknown."""
        if not name.startswith("@"):
            if name in self.people:
                return (self.people[name],)
            if SLACK_USER.fullmatch(name):
                return (name,)
        return self.groups.get(name.removeprefix("@"))

    def unknown(self, name: str) -> str:
        """The sentence about a name that nobody here has."""
        names = [*self.people, *(f"@{group}" for group in self.groups)]
        hint = did_you_mean(name, names) or "Add them under `people`, or write a Slack id such as U0123ABCD."
        return f"there is no person or group {name!r}. {hint}"

    @classmethod
    def of(cls, people: Any, groups: Any) -> "Directory":
        """Read leniently from raw data, so that one mistake there does not make every name unknown."""
        known: dict[str, str] = {}
        for name, person in people.items() if isinstance(people, dict) else ():
            slack = person.get("slack") if isinstance(person, dict) else None
            known[name] = slack if isinstance(slack, str) else name
        directory = cls(people=known)
        found: dict[str, tuple[str, ...]] = {}
        for name, members in groups.items() if isinstance(groups, dict) else ():
            listed = [m for m in members if isinstance(m, str)] if isinstance(members, list) else []
            found[name] = tuple(dict.fromkeys(i for m in listed for i in directory.resolve(m) or ()))
        return cls(people=known, groups=found)


def _known(name: str, info: ValidationInfo) -> str:
    directory = info.context if isinstance(info.context, Directory) else Directory()
    if directory.resolve(name) is None:
        raise PydanticCustomError("sentence", "{sentence}", {"sentence": directory.unknown(name)})
    return name


def _resolved(names: tuple[str, ...], info: ValidationInfo) -> tuple[UserId, ...]:
    directory = info.context if isinstance(info.context, Directory) else Directory()
    return tuple(dict.fromkeys(user for name in names for user in directory.resolve(name) or ()))


Who = Annotated[str, AfterValidator(_known), Field(examples=["alice", "@oncall", "U0123ABCD"])]
People = Annotated[tuple[Who, ...], AfterValidator(_resolved)]
"""Names in the file, Slack ids (distinct, in order) once it is loaded."""

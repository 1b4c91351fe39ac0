"""Who acts: a person of kaeru.yml, or the operating-system user who typed the command."""

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass

from bot.catalog import Catalog
from bot.catalog.document import read_document
from bot.catalog.people import Directory
from bot.catalog.problems import did_you_mean
from bot.domain.base import Refusal, UserId


@dataclass(frozen=True)
class Actor:
    """`user` is on record as the one who decided, `typist` is who was at the keyboard (`cli:NAME`)."""

    user: UserId
    typist: UserId

    @property
    def is_person(self) -> bool:
        """Whether somebody of kaeru.yml was named, so that policies can know them."""
        return self.user != self.typist

    def must_be_person(self, what: str) -> None:
        """Raises Refusal for an operating-system user, who is nobody's approver."""
        if not self.is_person:
            raise Refusal(
                f"{what} is for people of kaeru.yml, because policies name them. Say who: --as NAME."
            )


@dataclass(frozen=True)
class Register:
    """The people of kaeru.yml by the names they have there."""

    ids: Mapping[str, UserId]
    names: Mapping[UserId, str]

    @classmethod
    def of(cls, catalog: Catalog) -> "Register":
        raw = read_document(catalog.path).data
        ids = Directory.of(raw.get("people"), raw.get("groups")).people
        return cls(ids=ids, names={**{user: name for name, user in ids.items()}, **catalog.people})

    def person(self, word: str) -> UserId:
        """A name of kaeru.yml, or the Slack id of somebody in it. Raises Refusal."""
        found = self.ids.get(word.removeprefix("@"))
        if found is not None:
            return found
        if word in self.ids.values():
            return word
        hint = did_you_mean(word, list(self.ids)) or "Add them under `people`."
        raise Refusal(f"kaeru.yml has no person {word!r}. {hint}")

    def actor(self, word: str | None) -> Actor:
        """Raises Refusal for somebody who is not in kaeru.yml."""
        typist = typed_by()
        return Actor(user=typist if word is None else self.person(word), typist=typist)


def typed_by() -> UserId:
    """The operating-system user of this process, from its real uid: the environment could say anything."""
    uid = os.getuid()
    try:
        return f"cli:{pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"cli:uid-{uid}"

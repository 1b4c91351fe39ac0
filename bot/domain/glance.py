"""What a metric or a log says while people decide: whether it can be read at all, and what is wrong now."""

from bot.domain.base import Value


class Glance(Value):
    """`source` is the kind of evidence, `what` its name in kaeru.yml, `sentence` plain text without secrets.

    `readable` is whether there is anything to compare with later; `wrong` whether it is worse than before already.
    """

    source: str
    what: str
    readable: bool
    wrong: bool
    sentence: str

"""Libraries that come with an extra of kaeru's, and what to say where one is missing."""

from bot.ports.errors import Refused

EXTRAS = {"aiomysql": "mysql", "pymysql": "mysql", "psycopg": "postgres", "psycopg_binary": "postgres"}


def missing(error: ImportError) -> Refused | None:
    """The sentence with the command that brings the library; None where it is none of an extra's."""
    # psycopg is there without its C library: it says so itself, and names no module.
    name = (error.name or ("psycopg" if "pq wrapper" in str(error) else "")).partition(".")[0]
    extra = EXTRAS.get(name)
    if extra is None:
        return None
    return Refused(
        f"The library {name} is not installed.",
        remedy=f"Install it: pip install 'kaeru[{extra}]'; in a clone of kaeru: pip install -e '.[{extra}]'.",
    )

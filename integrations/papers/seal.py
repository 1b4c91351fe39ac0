"""kaeru's own line at the end of a file, by which it sees whether somebody has changed the file since."""

import hashlib
import re

_SEAL = re.compile(
    r"\n<!-- kaeru: (?P<incident>\S+), revision (?P<revision>\d+), SHA-256 (?P<digest>[0-9a-f]{64}) -->\n\Z"
)


def sealed(markdown: str, incident_id: str, revision: int) -> str:
    """The file for this revision: its text, and the line."""
    text = f"{markdown.rstrip()}\n"
    return f"{text}\n<!-- kaeru: {incident_id}, revision {revision}, SHA-256 {_digest(text)} -->\n"


def revision_of(file: str, incident_id: str) -> int | None:
    """Which revision of kaeru's own this is, unchanged; None for anything else."""
    found = _SEAL.search(file)
    if found is None or found["incident"] != incident_id or found["digest"] != _digest(file[: found.start()]):
        return None
    return int(found["revision"])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

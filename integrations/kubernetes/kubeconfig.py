"""Reads kubeconfig files: which contexts there are, and what one of them says. Nothing of their content is told but names.

Several files are merged as kubectl does: the first one that names something wins. Files that they name are taken
relative to the file that names them. The files are small and local; reading them is quick and blocking.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bot.ports.errors import AuthFailed, Refused

_FILES = {
    "clusters": ("certificate-authority",),
    "users": ("client-certificate", "client-key", "tokenFile"),
}
_INNER = {"clusters": "cluster", "users": "user", "contexts": "context"}


@dataclass(frozen=True, repr=False)
class Chosen:
    """One context, with its cluster and its user as the files say. Not to be shown: it holds credentials.

    `directory` is where the user's entry was read from: a plugin given by a relative path lies there.
    """

    name: str
    cluster: dict[str, Any]
    user: dict[str, Any]
    directory: Path


def default_files() -> tuple[Path, ...]:
    """Where kubectl would look: KUBECONFIG, a list, else ~/.kube/config."""
    listed = os.environ.get("KUBECONFIG", "")
    if listed:
        return tuple(Path(part).expanduser() for part in listed.split(os.pathsep) if part)
    return (Path("~/.kube/config").expanduser(),)


def choose(files: tuple[Path, ...], context: str | None) -> Chosen:
    """The context of that name, else the current one. Raises Refused with the names that exist, AuthFailed."""
    merged, current = _merged(files)
    shown = ", ".join(str(file) for file in files)
    names = sorted(merged["contexts"])
    wanted = context if context is not None else current
    known = f"It knows {', '.join(names)}." if names else "It knows none."
    if not wanted:
        raise Refused(f"{shown} names no current context.", remedy=f"Set `context` in kaeru.yml. {known}")
    if wanted not in merged["contexts"]:
        raise Refused(f"{shown} has no context {wanted}.", remedy=f"Correct `context` in kaeru.yml. {known}")
    linked, _ = merged["contexts"][wanted]
    cluster, user = str(linked.get("cluster", "")), str(linked.get("user", ""))
    if cluster not in merged["clusters"]:
        raise Refused(f"The context {wanted} of {shown} is of a cluster {cluster}, which is not in there.")
    if user and user not in merged["users"]:
        raise Refused(f"The context {wanted} of {shown} is of a user {user}, who is not in there.")
    as_user, directory = merged["users"].get(user, ({}, files[0].parent))
    return Chosen(
        name=wanted, cluster=merged["clusters"][cluster][0], user=as_user, directory=directory.absolute()
    )


_Entries = dict[str, tuple[dict[str, Any], Path]]


def _merged(files: tuple[Path, ...]) -> tuple[dict[str, _Entries], str]:
    merged: dict[str, _Entries] = {kind: {} for kind in _INNER}
    current = ""
    # kubectl passes over files of a list that are not there, too.
    there = [file for file in files if file.exists()]
    if not there:
        raise Refused(
            f"There is no kubeconfig {', '.join(str(file) for file in files)}.",
            remedy="Put it there, or set `kubeconfig` in kaeru.yml.",
        )
    for file in there:
        read = _read(file)
        current = current or str(read.get("current-context") or "")
        for kind, entries in merged.items():
            for entry in read.get(kind) or []:
                name, inner = _entry(entry, _INNER[kind], file)
                entries.setdefault(name, (_absolute(inner, _FILES.get(kind, ()), file.parent), file.parent))
    return merged, current


def _read(file: Path) -> dict[str, Any]:
    try:
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
    except PermissionError as error:
        raise AuthFailed(f"The bot may not read {file}.", remedy="Give its user the right to.") from error
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError):
        # The parser's error quotes the file, which holds credentials.
        raise Refused(f"{file} is no YAML.", remedy="Look at it with: kubectl config view") from None
    if not isinstance(read, dict):
        raise Refused(f"{file} is no kubeconfig.", remedy="Look at it with: kubectl config view")
    return read


def _entry(entry: Any, inner: str, file: Path) -> tuple[str, dict[str, Any]]:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise Refused(f"{file} has a {inner} without a name.", remedy="Look at it with: kubectl config view")
    said = entry.get(inner) or {}
    if not isinstance(said, dict):
        raise Refused(f"{file} says nothing that can be read about the {inner} {entry['name']}.")
    return entry["name"], said


def _absolute(said: dict[str, Any], keys: tuple[str, ...], directory: Path) -> dict[str, Any]:
    paths = {key: str(directory / Path(said[key])) for key in keys if isinstance(said.get(key), str)}
    return {**said, **paths}

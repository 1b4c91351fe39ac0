"""What a disk or a connection says, as sentences that say what to do next."""

import os
from enum import StrEnum

import asyncssh

from bot.ports.errors import AuthFailed, PortError, Refused, Unavailable
from integrations.hosts.address import Address

AGAIN_S = 2.0


class Kind(StrEnum):
    """Why something could not be done with a path."""

    MISSING = "missing"
    DENIED = "denied"
    NO_LINK = "no link"
    FULL = "full"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"


class DiskTrouble(Exception):
    """A path could not be read or changed. `words` are the system's."""

    def __init__(self, kind: Kind, words: str) -> None:
        super().__init__(words)
        self.kind = kind
        self.words = words


class Lost(Exception):
    """The connection ended, or a question over it was not answered in time: what was asked may have been done."""


def of_disk(trouble: DiskTrouble, what: str, *, host: str, folder: str, releases: str) -> PortError:
    """`what` is the beginning of a sentence: "The link … on web1 cannot be moved"."""
    if trouble.kind is Kind.DENIED:
        remedy = f"Give the user that kaeru logs in as on {host} the right to write in {folder} and to read {releases}."
        return AuthFailed(f"{what}: {trouble.words}.", remedy=remedy)
    if trouble.kind is Kind.MISSING:
        return Refused(f"{what}: {trouble.words}.", remedy="Correct `releases` and `link` in kaeru.yml.")
    if trouble.kind is Kind.UNSUPPORTED:
        return Refused(
            f"{what}: the SFTP server of {host} offers no atomic rename (posix-rename@openssh.com).",
            remedy="Use OpenSSH's sftp-server there, without denying posix-rename; the link is never moved in another way.",
        )
    if trouble.kind is Kind.FULL:
        remedy = f"Make room in {folder} on {host}."
        return Unavailable(f"{what}: {trouble.words}.", retry_after_s=AGAIN_S, remedy=remedy)
    return Unavailable(f"{what}: {trouble.words}.", retry_after_s=AGAIN_S)


def of_connecting(error: Exception, address: Address, *, whose: str, login: str) -> PortError:
    """Why there is no connection to `address`. `login` says with what kaeru logs in ("the keys of the SSH agent")."""
    where = f"{whose} ({address.with_port})"
    if isinstance(error, asyncssh.PermissionDenied):
        user = f" {address.user}" if address.user else " the user that the bot runs as"
        return AuthFailed(
            f"{where} does not let{user} in with {login}.",
            remedy="Add the public key to ~/.ssh/authorized_keys there, or correct `identity` or the user in kaeru.yml.",
        )
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return Refused(
            f"{where} and kaeru have no method in common to encrypt what they say: {error.reason}.",
            remedy="Update the SSH server there.",
        )
    if isinstance(error, TimeoutError):
        return Unavailable(f"{where} does not answer: no connection in time.", retry_after_s=AGAIN_S)
    if isinstance(error, asyncssh.Error):
        return Unavailable(f"{where} ended the connection: {error.reason}.", retry_after_s=AGAIN_S)
    number = getattr(error, "errno", None)
    words = os.strerror(number) if isinstance(number, int) and number > 0 else type(error).__name__
    return Unavailable(f"{where} does not answer: {words}.", retry_after_s=AGAIN_S)


def of_host_key(address: Address, file: str, *, whose: str, known: bool) -> Refused:
    """A host that shows another key than known_hosts has, or is not in it."""
    where = f"{whose} ({address.with_port})"
    if known:
        return Refused(
            f"{where} shows another key than {file} has for it: it was set up anew, or somebody is in between.",
            remedy="Compare the key's fingerprint with the host's console before you change the file.",
        )
    return Refused(
        f"{where} is not in {file}, so nobody can tell whether it is the right one.",
        remedy=f"Add its key: ssh-keyscan -p {address.port} {address.host}, and compare the fingerprint with the host's console.",
    )

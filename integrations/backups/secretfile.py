"""A password in a file that only one program reads, and that a crash leaves nowhere."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class SecretFile:
    """`path` is valid in a program that inherits `descriptors`."""

    path: str
    descriptors: tuple[int, ...] = ()


@contextlib.contextmanager
def secret_file(text: str) -> Iterator[SecretFile]:
    """`text` in a file with the rights 0600.

    Where the system can, it is a file in memory without a name: a bot that is killed cannot leave it behind.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("kaeru", os.MFD_CLOEXEC)
        try:
            os.fchmod(descriptor, 0o600)
            os.write(descriptor, text.encode())
            yield SecretFile(f"/proc/self/fd/{descriptor}", (descriptor,))
        finally:
            os.close(descriptor)
    else:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:  # made with 0600
            file.write(text)
            file.flush()
            yield SecretFile(file.name)

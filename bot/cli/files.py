"""Files that commands write: whole or not at all."""

import os
import tempfile
from pathlib import Path

import click


def write_file(path: Path, content: bytes) -> None:
    """Put `content` in the place of whatever is there, its folder made where it is missing. Raises ClickException with a sentence."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be written: {error.strerror}. Choose another place with --output."
        ) from error

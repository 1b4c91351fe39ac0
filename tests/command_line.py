"""The command line with all its commands imported, for the processes that tests fork."""

import importlib
import pkgutil

from bot import cli
from bot.cli.main import main

__all__ = ["main"]

for _module in pkgutil.iter_modules(cli.__path__, f"{cli.__name__}."):
    importlib.import_module(_module.name)

"""The command line with all that its commands and a bot import, for the processes that tests fork."""

import gc
import importlib
import pkgutil

from bot import cli
from bot.cli.main import main
from integrations.registry import kinds

__all__ = ["main"]

for _module in pkgutil.iter_modules(cli.__path__, f"{cli.__name__}."):
    importlib.import_module(_module.name)
for _name in ("anyio._backends._asyncio", "httpx", "jinja2.sandbox"):
    importlib.import_module(_name)
kinds()  # the settings of all adapters, which take longer than all else
gc.freeze()  # nobody looks for garbage among modules

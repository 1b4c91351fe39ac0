"""nginx, which is switched by a script of somebody's own."""

import shlex
from pathlib import Path
from typing import Any

from integrations.bluegreen.settings import COLOURS, Colour
from tests.classic.proxies import Nginx

SWITCH = """\
#!/bin/sh
# Let nginx send its users to one colour: switch.sh blue|green
set -eu
cp {folder}/$1.conf {folder}/kaeru/.new
mv {folder}/kaeru/.new {folder}/kaeru/shop.conf
{reload} 2>/dev/null
echo "switched to $1"
"""


class Scripted:
    """nginx, which is switched by a script of somebody's own."""

    def __init__(self, server: Nginx) -> None:
        self.server = server
        self.script = server.folder / "switch.sh"
        reload = shlex.join([*server.argv, "-s", "reload"])
        self.script.write_text(SWITCH.format(folder=server.folder, reload=reload), encoding="ascii")
        self.script.chmod(0o755)
        for colour in COLOURS:
            (server.folder / f"{colour}.conf").write_text(server.upstream(colour), encoding="ascii")

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def state(self) -> Path:
        return self.server.folder / "switching"

    @property
    def switch(self) -> dict[str, Any]:
        return {"command": {"command": [str(self.script), "{colour}"], "state": str(self.state)}}

    def turn(self, colour: Colour) -> None:
        self.server.turn(colour)

    def stands(self) -> Colour:
        return self.server.stands()

    def turns(self) -> int:
        return self.server.turns()

"""The child process: ChartData as JSON on stdin, a zone's name as the only argument, a PNG on stdout."""

import os
import sys
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.ports.charts import ChartData


def main() -> int:
    """0 with a picture on stdout, 1 with a sentence on stderr."""
    os.environ["MPLBACKEND"] = "Agg"
    from integrations.charts.picture import draw  # noqa: PLC0415 - the backend is chosen before matplotlib is loaded

    name = sys.argv[1] if len(sys.argv) > 1 else "UTC"
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        sys.stderr.write(f"there is no time zone {name!r}; use a name such as Europe/Berlin\n")
        return 1
    data = ChartData.model_validate_json(sys.stdin.buffer.read())
    sys.stdout.buffer.write(draw(data, zone))
    return 0


if __name__ == "__main__":
    sys.exit(main())

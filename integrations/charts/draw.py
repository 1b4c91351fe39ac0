"""The child process: ChartData or StatsData as JSON on stdin, a zone's name and which of them, a PNG on stdout."""

import os
import sys
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.ports.charts import ChartData, StatsData


def main() -> int:
    """0 with a picture on stdout, 1 with a sentence on stderr."""
    os.environ["MPLBACKEND"] = "Agg"
    from integrations.charts.picture import draw  # noqa: PLC0415 - the backend is chosen before matplotlib is loaded
    from integrations.charts.stats import draw_stats  # noqa: PLC0415 - the same

    name = sys.argv[1] if len(sys.argv) > 1 else "UTC"
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        sys.stderr.write(f"there is no time zone {name!r}; use a name such as Europe/Berlin\n")
        return 1
    asked = sys.stdin.buffer.read()
    if sys.argv[2:] == ["stats"]:
        sys.stdout.buffer.write(draw_stats(StatsData.model_validate_json(asked), zone))
    else:
        sys.stdout.buffer.write(draw(ChartData.model_validate_json(asked), zone))
    return 0


if __name__ == "__main__":
    sys.exit(main())

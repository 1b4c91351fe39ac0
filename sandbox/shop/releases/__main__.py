"""`python -m sandbox.shop.releases DIR`: make the repository and the releases under DIR."""

import argparse
import sys
from pathlib import Path

from sandbox.shop.releases.builder import BuildError, build
from sandbox.shop.releases.history import RELEASES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.shop.releases", description=__doc__)
    parser.add_argument("target", type=Path, metavar="DIR")
    parser.add_argument("--current", default="v1.2.9", choices=RELEASES, help="where a new `current` points")
    parser.add_argument("--bad", action="append", default=[], choices=RELEASES, help="as bad as v1.3.0")
    parser.add_argument("--broken", action="append", default=[], choices=RELEASES, help="refuses to start")
    asked = parser.parse_args()
    try:
        shop = build(
            asked.target, current=asked.current, bad_versions=asked.bad, broken_versions=asked.broken
        )
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{shop.root}: releases {', '.join(RELEASES)}; current is {shop.current_version()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

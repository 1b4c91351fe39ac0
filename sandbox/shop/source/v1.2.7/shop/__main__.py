"""Start the shop: `python -m shop --port 8080`, or on a socket that a supervisor hands over."""

import sys

from . import server, settings


def main() -> None:
    try:
        config = settings.from_arguments(sys.argv[1:])
    except settings.SettingsError as error:
        sys.exit(f"shop: {error}")
    server.run(config)


if __name__ == "__main__":
    main()

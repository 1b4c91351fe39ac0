"""A child of the migration tests: Django migrates one step for each line that it is told, and answers each."""

import sys
from urllib.parse import parse_qs, urlsplit


def main() -> None:
    folder, url = sys.argv[1:3]
    sys.path.insert(0, folder)
    import django  # noqa: PLC0415 - the folder has to be found first
    from django.conf import settings  # noqa: PLC0415 - as above
    from django.core.management import call_command  # noqa: PLC0415 - as above

    parts = urlsplit(url)
    settings.configure(
        INSTALLED_APPS=["shop"],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": parts.path.lstrip("/"),
                "USER": parts.username,
                "HOST": parse_qs(parts.query)["host"][0],
            }
        },
    )
    django.setup()
    for line in sys.stdin:
        app, _, name = line.strip().partition(".")
        call_command("migrate", app, name, verbosity=0)
        sys.stdout.write("done\n")
        sys.stdout.flush()


main()

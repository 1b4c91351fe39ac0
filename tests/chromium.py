"""Where the browser is that the page is tested in."""

import os
import shutil


def chromium() -> str | None:
    """KAERU_CHROMIUM, else what Debian or Ubuntu installed; None where there is none."""
    return os.environ.get("KAERU_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")

"""The images that tests deploy: a small web server in good and in bad releases, and a few that do not even start.

What a container does is steered by its environment:

    READY_AFTER=5    seconds until /ready answers 200 (before: 503) and the file /tmp/ready exists
    NEVER_READY=1    /ready answers 503 for ever
    CRASH=1          exits with 1 and a line in the log, at once
    CRASH_AFTER=3    the same after so many seconds
    STOP_AFTER=8     goes on serving for so many seconds after SIGTERM, then ends
    BAD_PRODUCTS=1   /products answers 500
    PORT=8080        where it listens

It answers /version with {"version": "..."}, and /, /health, /ready and /products.
"""

import functools
from collections.abc import Mapping
from pathlib import Path

from sandbox.clusters.errors import ClusterError
from sandbox.clusters.images import Image, Layer, layer

WEB = "kaeru-test/web"
BROKEN = "kaeru-test/broken"
GOOD = ("v1.2.8", "v1.2.9")
CRASHES = "v1.2.7"  # ends with 1 as soon as it starts
BAD = ("v1.3.0", "v1.3.1")  # start, become ready, and answer /products with 500

_BUSYBOX = Path("/bin/busybox")
_COMMANDS = ("sh", "cat", "echo", "sleep", "test", "nc", "wget", "ls", "ps", "env", "kill", "touch", "rm")

# All of it goes to one stream: Docker copies the two one by one, so that lines of both may change places.
_START = """\
#!/bin/sh
exec >&2
echo "web ${VERSION:-unknown} starting on port ${PORT:-8080}"
if [ -n "$CRASH" ]; then echo "fatal: the catalogue could not be read" >&2; exit 1; fi
rm -f /tmp/ready
nc -ll -p "${PORT:-8080}" -e /shop/answer &
server=$!
stop() {
  echo "web ${VERSION:-unknown} stopping"
  [ -n "$STOP_AFTER" ] && sleep "$STOP_AFTER"
  kill "$server"
  exit 0
}
trap stop TERM INT
if [ -z "$NEVER_READY" ]; then
  [ -n "$READY_AFTER" ] && { sleep "$READY_AFTER" & wait $!; }
  touch /tmp/ready
  echo "web ${VERSION:-unknown} ready"
fi
if [ -n "$CRASH_AFTER" ]; then
  sleep "$CRASH_AFTER" & wait $!
  echo "fatal: the catalogue was lost" >&2
  exit 1
fi
wait "$server"
"""

_ANSWER = """\
#!/bin/sh
cr=$(printf '\\r')
IFS=' ' read -r method target rest || exit 0
while IFS= read -r line; do
  line=${line%"$cr"}
  [ -z "$line" ] && break
done
status="200 OK"
type="application/json"
case "${target%%\\?*}" in
  /version) body="{\\"version\\": \\"$VERSION\\"}" ;;
  /ready) [ -e /tmp/ready ] && body='{"ready": true}' || { status="503 Service Unavailable"; body='{"ready": false}'; } ;;
  /health) body='{"ok": true}' ;;
  /products)
    if [ -n "$BAD_PRODUCTS" ]; then
      status="500 Internal Server Error"; body='{"error": "the catalogue could not be read"}'
    else
      body='{"products": ["kettle", "teapot"]}'
    fi ;;
  /) type="text/plain"; body="web $VERSION" ;;
  *) status="404 Not Found"; body='{"error": "no such page"}' ;;
esac
printf 'HTTP/1.1 %s\\r\\nContent-Type: %s\\r\\nContent-Length: %s\\r\\nX-Version: %s\\r\\nConnection: close\\r\\n\\r\\n' \\
  "$status" "$type" "${#body}" "$VERSION"
[ "$method" = HEAD ] || printf '%s' "$body"
"""

_PAUSE = """\
#!/bin/sh
trap 'exit 0' TERM INT
while :; do sleep 3600 & wait $!; done
"""


@functools.cache
def busybox_layer() -> Layer:
    """A shell and a few commands, from Debian's busybox-static."""
    if not _BUSYBOX.exists():
        raise ClusterError("busybox is missing. As root: apt-get install busybox-static")
    links = {f"bin/{name}": "busybox" for name in _COMMANDS}
    return layer({"bin/busybox": _BUSYBOX, "tmp/.keep": "", "etc/passwd": "root:x:0:0::/:/bin/sh\n"}, links)


@functools.cache
def _shop_layer() -> Layer:
    return layer({"shop/start": _START, "shop/answer": _ANSWER, "pause": _PAUSE})


def shop_image(
    version: str, *, name: str | None = None, environment: Mapping[str, str] | None = None
) -> Image:
    """The web server as `version`; `environment` steers it, see above."""
    return Image(
        name=name or f"{WEB}:{version}",
        layers=(busybox_layer(), _shop_layer()),
        entrypoint=("/shop/start",),
        environment={"VERSION": version, **(environment or {})},
    )


def pause_image() -> Image:
    """What holds a pod's network namespace."""
    return Image("kaeru-test/pause:1", (busybox_layer(), _shop_layer()), ("/pause",))


def standard_images() -> list[Image]:
    """Every image that is in each daemon from the start."""
    return [
        pause_image(),
        *(shop_image(version) for version in GOOD),
        shop_image(CRASHES, environment={"CRASH": "1"}),
        *(shop_image(version, environment={"BAD_PRODUCTS": "1"}) for version in BAD),
        shop_image("v9.0.0", name=f"{BROKEN}:crash", environment={"CRASH": "1"}),
        shop_image("v9.0.1", name=f"{BROKEN}:never-ready", environment={"NEVER_READY": "1"}),
        Image(f"{BROKEN}:no-program", (busybox_layer(),), ("/not/there",)),
    ]

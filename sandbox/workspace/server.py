"""The HTTP side: the Web API, Socket Mode, files, the page and what it talks to."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from importlib.resources import files as package_files
from pathlib import Path
from urllib.parse import quote, urlsplit

from aiohttp import web

from sandbox.workspace import api_files, interaction
from sandbox.workspace.api import REGISTRY
from sandbox.workspace.client import Client
from sandbox.workspace.context import Context
from sandbox.workspace.errors import RateLimitedError, SlackError
from sandbox.workspace.events import Events
from sandbox.workspace.faults import Fault
from sandbox.workspace.model import Json
from sandbox.workspace.sentences import sentence
from sandbox.workspace.socket_mode import NotDeliveredError

MAX_BODY = 64 * 1024 * 1024
PAGE = Path(str(package_files("sandbox.workspace"))) / "page"
COOKIE = "workspace_page"
HTML_ERROR = (
    "<!DOCTYPE html><html><head><title>Server Error</title></head><body><h1>Server Error</h1></body></html>"
)


class Server:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.client = Client(context, Events(context))
        self.page_secret = secrets.token_urlsafe(16)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY, middlewares=[same_origin])
        app.add_routes(
            [
                web.route("*", "/api/{method}", self.api),
                web.get("/socket", self.context.hub.serve),
                web.post("/response/{secret}", self.response_url),
                web.route("*", "/files/upload/{secret}", self.upload),
                web.get("/files/{id}/{rest:.+}", self.download),
                web.get("/client/ws", self.context.people.serve),
                web.post("/client/{verb}", self.people),
                web.get("/faults", self.list_faults),
                web.post("/faults", self.add_fault),
                web.delete("/faults", self.clear_faults),
                web.get("/stats", self.stats),
                web.get("/", self.index),
                web.get("/static/{asset:.+}", self.asset),
            ]
        )
        return app

    # the Web API

    async def api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        try:
            args = await arguments(request)
        except json.JSONDecodeError:
            return web.json_response({"ok": False, "error": "invalid_json"})
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        token = bearer.strip() if scheme.lower() == "bearer" else str(args.pop("token", ""))

        def perform() -> web.Response:
            return self.answer(method, token, args)

        return await strike(self.context.faults.take(method), request, perform)

    def answer(self, method: str, token: str, args: Json) -> web.Response:
        headers = {"x-oauth-scopes": ",".join(sorted(self.context.manifest.scopes))}
        try:
            return web.json_response(
                {"ok": True, **REGISTRY.run(self.context, method, token, args)}, headers=headers
            )
        except RateLimitedError as error:
            self.context.stats.errors[f"{method} ratelimited"] += 1
            return rate_limited(error.retry_after)
        except SlackError as error:
            self.context.stats.errors[f"{method} {error.code}"] += 1
            return web.json_response({"ok": False, "error": error.code, **error.fields}, headers=headers)

    async def response_url(self, request: web.Request) -> web.StreamResponse:
        try:
            args = await arguments(request)
        except json.JSONDecodeError:
            return web.json_response({"ok": False, "error": "invalid_payload"}, status=400)
        secret = request.match_info["secret"]

        def perform() -> web.Response:
            try:
                interaction.use_response_url(self.context, secret, args)
            except SlackError as error:
                status = 404 if error.code in {"expired_url", "used_url"} else 400
                return web.json_response({"ok": False, "error": error.code, **error.fields}, status=status)
            return web.Response(text="ok")

        return await strike(self.context.faults.take("response_url"), request, perform)

    # files

    async def upload(self, request: web.Request) -> web.StreamResponse:
        if request.content_type.startswith("multipart/"):
            form = await request.post()
            part = next((value for value in form.values() if isinstance(value, web.FileField)), None)
            content = part.file.read() if part is not None else b""
        else:
            content = await request.read()

        def perform() -> web.Response:
            try:
                api_files.upload(self.context, request.match_info["secret"], content)
            except SlackError as error:
                return web.Response(status=400 if error.code == "length_mismatch" else 404, text=error.code)
            return web.Response(text=f"OK - {len(content)}")

        return await strike(self.context.faults.take("upload"), request, perform)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """With the bot's token (and files:read) or the page's cookie; else the way to the login, as Slack does."""
        file = self.context.state.files.get(request.match_info["id"].rpartition("-")[2])
        by_bot = request.headers.get("Authorization", "") == f"Bearer {self.context.bot_token}"
        allowed = by_bot and "files:read" in self.context.manifest.scopes
        if not allowed and request.cookies.get(COOKIE) != self.page_secret:
            raise web.HTTPFound("/")
        if file is None or file.content is None:
            raise web.HTTPNotFound(text="There is no such file in this workspace.")
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        if request.match_info["rest"].startswith("download/"):
            headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(file.shape['name'])}"
        return web.Response(body=file.content, content_type=file.shape["mimetype"], headers=headers)

    # people

    async def people(self, request: web.Request) -> web.StreamResponse:
        try:
            given = await request.json()
        except json.JSONDecodeError:
            given = None
        if not isinstance(given, dict):
            return refuse("invalid_json")
        try:
            return web.json_response({"ok": True, **await self.client.run(request.match_info["verb"], given)})
        except SlackError as error:
            return refuse(error.code, error.fields)
        except NotDeliveredError as error:
            return refuse(error.code)

    async def index(self, _request: web.Request) -> web.StreamResponse:
        path = PAGE / "index.html"
        if not path.is_file():
            return web.Response(text="The workspace runs; its page is not installed.")
        response = web.Response(body=path.read_bytes(), content_type="text/html", charset="utf-8")
        response.set_cookie(COOKIE, self.page_secret, httponly=True, samesite="Strict")
        return response

    async def asset(self, request: web.Request) -> web.StreamResponse:
        path = (PAGE / request.match_info["asset"]).resolve()
        if not path.is_relative_to(PAGE.resolve()) or not path.is_file():
            raise web.HTTPNotFound(text="There is no such page.")
        return web.FileResponse(path, headers={"Cache-Control": "no-cache"})

    # faults and figures

    async def list_faults(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"ok": True, "faults": self.context.faults.shape()})

    async def add_fault(self, request: web.Request) -> web.StreamResponse:
        """A Fault's fields; or {"disconnect": "refresh_requested" | "abrupt" | ...}."""
        given = await request.json()
        if "disconnect" in given:
            reason = str(given["disconnect"])
            ended = await self.context.hub.disconnect(reason=reason, abrupt=reason == "abrupt")
            return web.json_response({"ok": True, "disconnected": ended})
        try:
            self.context.faults.add(Fault(**given))
        except (TypeError, ValueError) as error:
            return web.json_response(
                {"ok": False, "error": "invalid_fault", "message": str(error)}, status=400
            )
        return web.json_response({"ok": True})

    async def clear_faults(self, _request: web.Request) -> web.StreamResponse:
        self.context.faults.clear()
        return web.json_response({"ok": True})

    async def stats(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"ok": True, **self.context.hub.figures()})


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """/client and /faults need no token, so a foreign page in somebody's browser must not reach them."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise web.HTTPForbidden(
            text="Only the workspace's own page may call it: open the workspace's address."
        )
    return await handler(request)


async def arguments(request: web.Request) -> Json:
    """Arguments of a call from the query, a form or JSON; later ones win."""
    args: Json = dict(request.query)
    if request.content_type == "application/json":
        text = await request.text()
        given = json.loads(text) if text else {}
        if isinstance(given, dict):
            args |= given
    elif request.can_read_body:
        args |= dict(await request.post())
    return args


async def strike(
    fault: Fault | None, request: web.Request, perform: Callable[[], web.Response]
) -> web.StreamResponse:
    """Does the call the way the fault wants it."""
    if fault is None:
        return perform()
    match fault.kind:
        case "delay":
            await asyncio.sleep(fault.seconds)
            return perform()
        case "drop_response" | "drop_request":
            if fault.kind == "drop_response":
                perform()
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)  # goes nowhere: the connection is gone
        case "rate_limited":
            return rate_limited(max(1, round(fault.seconds)))
        case "error":
            return web.json_response({"ok": False, "error": fault.error})
        case _:
            return web.Response(status=fault.status, text=HTML_ERROR, content_type="text/html")


def rate_limited(seconds: int) -> web.Response:
    return web.json_response(
        {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": str(seconds)}
    )


def refuse(code: str, fields: Json | None = None) -> web.Response:
    return web.json_response({"ok": False, "error": code, "message": sentence(code), **(fields or {})})

"""From settings to a cluster: kubeconfigs, plugins, tokens and certificates, against a server on 127.0.0.1."""

import asyncio
import json
import logging
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.ports.errors import AuthFailed, PortError, Refused, Unavailable
from integrations.kubernetes import credentials, plugins
from integrations.kubernetes.api import Api
from integrations.kubernetes.settings import KubernetesSettings

Json = dict[str, Any]
WEB = "/apis/apps/v1/namespaces/shop/deployments/web"
GOOD = "the-good-token"
STALE = "the-stale-token"


@dataclass
class Server:
    """Lets those in who bring `token`. `seen` are the Authorization headers, in order."""

    port: int = 0
    scheme: str = "http"
    token: str = GOOD
    seen: list[str] = field(default_factory=list)
    subjects: list[Any] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.headers.get("Authorization", ""))
        assert request.transport is not None
        self.subjects.append((request.transport.get_extra_info("peercert") or {}).get("subject"))
        if self.seen[-1].lower() != f"bearer {self.token}" and self.token:
            return web.json_response({"kind": "Status", "code": 401}, status=401)
        if request.path.endswith("/log"):
            return web.Response(text="started\npassword=hunter2 is wrong\n")
        return web.json_response({"kind": "Deployment", "metadata": {"name": "web"}})


async def _serve(server: Server, context: ssl.SSLContext | None = None) -> web.AppRunner:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    server.port = runner.addresses[0][1]
    return runner


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    serving = Server()
    runner = await _serve(serving)
    yield serving
    await runner.cleanup()


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a kubeconfig with one context, `production`, of this server and user."""

    def written(server: str, user: Json, *, name: str = "kubeconfig", **cluster: Any) -> Path:
        path = tmp_path / name
        config = {
            "current-context": "production",
            "contexts": [{"name": "production", "context": {"cluster": "here", "user": "bot"}}],
            "clusters": [{"name": "here", "cluster": {"server": server, **cluster}}],
            "users": [{"name": "bot", "user": user}],
        }
        path.write_text(json.dumps(config))
        return path

    return written


def _settings(kubeconfig: Path | None, **more: Any) -> KubernetesSettings:
    told = {"namespace": "shop", "name": "web", "kubeconfig": kubeconfig}
    return KubernetesSettings.model_validate(told | more)


async def _ask(kubeconfig: Path | None, **more: Any) -> Json:
    async with aclosing(Api(_settings(kubeconfig, **more))) as api:
        return await api.get(WEB)


def _plugin(path: Path, script: str) -> Json:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": f"./{path.name}"}}


def _credential(token: str, **more: str) -> str:
    status = {"token": token, **more}
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    return json.dumps(credential)


async def test_a_token(server: Server, write: Write) -> None:
    assert (await _ask(write(server.address, {"token": GOOD})))["kind"] == "Deployment"
    assert server.seen == [f"Bearer {GOOD}"]


async def test_a_context_that_is_not_there_is_refused_with_those_that_are(
    server: Server, write: Write, tmp_path: Path
) -> None:
    path = write(server.address, {"token": GOOD})
    with pytest.raises(Refused, match="has no context staging") as caught:
        await _ask(path, context="staging")
    assert "It knows production." in caught.value.remedy
    with pytest.raises(Refused, match="There is no kubeconfig"):
        await _ask(tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.write_text("apiVersion: v1\nkind: Config\n")
    with pytest.raises(Refused, match="names no current context") as caught:
        await _ask(empty)
    assert "It knows none." in caught.value.remedy


@pytest.mark.parametrize(
    "content",
    [
        f"token: {GOOD}\n  - : [",
        f"- {GOOD}",
        f"contexts: [{{context: {GOOD}}}]",
        f"contexts: [{{name: c, context: {GOOD}}}]",
        f'{{"current-context": "c", "contexts": [{{"name": "c", "context": {{"cluster": "x"}}}}], "users": ["{GOOD}"]}}',
    ],
)
async def test_a_kubeconfig_that_is_none_is_refused_without_its_content(tmp_path: Path, content: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    with pytest.raises(Refused) as caught:
        await _ask(path)
    assert GOOD not in _everything(caught.value)
    assert str(path) in str(caught.value)


async def test_several_files_are_merged_and_the_first_one_wins(
    server: Server, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / "first"
    first.write_text(json.dumps({"users": [{"name": "bot", "user": {"token": GOOD}}]}))
    second = write(server.address, {"token": "another"})
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, (first, tmp_path / "nowhere", second))))
    await _ask(None)
    assert server.seen == [f"Bearer {GOOD}"]


async def test_a_token_file_beside_the_kubeconfig_is_read_again_when_it_is_exchanged(
    server: Server, write: Write, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(f"{STALE}\n")
    server.token = STALE
    async with aclosing(Api(_settings(write(server.address, {"tokenFile": "token"})))) as api:
        await api.get(WEB)
        (tmp_path / "token").write_text(f"{GOOD}\n")
        server.token = GOOD
        await api.get(WEB)
    assert server.seen == [f"Bearer {token}" for token in (STALE, STALE, GOOD)]


async def test_credentials_that_stay_bad_are_said_to_be_so_by_context(server: Server, write: Write) -> None:
    with pytest.raises(AuthFailed, match="credentials of context production") as caught:
        await _ask(write(server.address, {"token": STALE}))
    assert STALE not in _everything(caught.value)
    assert len(server.seen) == 2


async def test_a_plugin_is_run_again_when_its_credential_is_not_accepted(
    server: Server, write: Write, tmp_path: Path
) -> None:
    script = f"echo run >>runs; [ $(wc -l <runs) = 1 ] && echo '{_credential(STALE)}' || echo '{_credential(GOOD)}'"
    user = _plugin(tmp_path / "plugin", f"cd {tmp_path}; {script}")
    kubeconfig = write(server.address, user)
    async with aclosing(Api(_settings(kubeconfig))) as one, aclosing(Api(_settings(kubeconfig))) as two:
        await asyncio.gather(*(api.get(WEB) for api in (one, two) for _ in range(5)))
        await two.get(WEB)
    # Both share what was given: one run for the first request, one for all those that were not let in.
    assert len((tmp_path / "runs").read_text().splitlines()) == 2


async def test_a_plugin_is_run_again_before_its_credential_expires(
    server: Server, write: Write, tmp_path: Path
) -> None:
    soon = _credential(GOOD, expirationTimestamp="2026-01-01T00:00:00Z")
    user = _plugin(tmp_path / "plugin", f"echo run >>{tmp_path}/runs; echo '{soon}'")
    async with aclosing(Api(_settings(write(server.address, user)))) as api:
        await api.get(WEB)
        await api.get(WEB)
    assert len((tmp_path / "runs").read_text().splitlines()) == 2
    assert server.seen == [f"Bearer {GOOD}"] * 2


async def test_a_plugin_sees_what_it_needs_and_none_of_the_bots_secrets(
    server: Server, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-never")
    monkeypatch.setenv("AWS_PROFILE", "prod")
    user = _plugin(
        tmp_path / "plugin",
        f"env >{tmp_path}/env; printf '%s\\n' \"$@\" >{tmp_path}/args; cat {tmp_path}/say",
    )
    user["exec"] |= {"args": ["get-token", "$(id)"], "env": [{"name": "REGION", "value": "eu"}]}
    (tmp_path / "say").write_text(_credential(GOOD))
    await _ask(write(server.address, user))
    seen = (tmp_path / "env").read_text()
    assert "AWS_PROFILE=prod" in seen
    assert "REGION=eu" in seen
    assert '"kind": "ExecCredential"' in seen
    assert "SLACK" not in seen
    assert (tmp_path / "args").read_text() == "get-token\n$(id)\n"


@pytest.mark.parametrize(
    "failing",
    [
        (f"echo {GOOD} >&2; echo {GOOD}; exit 3", AuthFailed, "ended with 3"),
        (f"echo {GOOD}", Refused, "gave no credential that can be read"),
        (f'echo \'{{"status": "{GOOD}"}}\'', Refused, "gave no credential"),
        ("echo '{\"status\": {}}'", Refused, "gave no credential"),
        (f"echo '{_credential(GOOD, expirationTimestamp=GOOD)}'", Refused, "gave no credential"),
        ("sleep 30", Unavailable, "did not end within 0.2 s"),
    ],
)
async def test_a_plugin_that_fails_is_named_and_not_quoted(
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failing: tuple[str, type[PortError], str],
) -> None:
    script, error, said = failing
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(plugins, "TIMEOUT_S", 0.2 if "sleep" in script else 30.0)
    with pytest.raises(error, match=said) as caught:
        await _ask(write("http://127.0.0.1:9", _plugin(tmp_path / "plugin", script)))
    assert "plugin of context production" in str(caught.value) or "./plugin" in str(caught.value)
    assert GOOD not in _everything(caught.value)
    assert GOOD not in caplog.text


async def test_a_plugin_that_is_not_there_or_too_old(write: Write, tmp_path: Path) -> None:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "kaeru-no-such-plugin"}}
    with pytest.raises(Refused, match="kaeru-no-such-plugin cannot be started"):
        await _ask(write("http://127.0.0.1:9", user))
    user["exec"]["apiVersion"] = "client.authentication.k8s.io/v1alpha1"
    with pytest.raises(Refused, match="v1alpha1"):
        await _ask(write("http://127.0.0.1:9", user))
    with pytest.raises(Refused, match="auth-provider"):
        await _ask(write("http://127.0.0.1:9", {"auth-provider": {"name": "gcp"}}))


async def test_the_last_one_to_leave_closes(server: Server, write: Write) -> None:
    settings = _settings(write(server.address, {"token": GOOD}))
    one, two = Api(settings), Api(settings)
    await one.get(WEB)
    await two.get(WEB)
    await one.aclose()
    await one.aclose()
    await two.get(WEB)
    await two.aclose()
    async with aclosing(Api(settings)) as three:
        await three.get(WEB)


async def test_several_clusters_at_once(server: Server, write: Write) -> None:
    other = Server(token=STALE)
    runner = await _serve(other)
    try:
        here = write(server.address, {"token": GOOD})
        there = write(other.address, {"token": STALE}, name="there")
        await asyncio.gather(_ask(here), _ask(there), _ask(here))
        assert set(server.seen) == {f"Bearer {GOOD}"}
        assert set(other.seen) == {f"Bearer {STALE}"}
    finally:
        await runner.cleanup()


async def test_what_cannot_be_reached_is_named_without_the_token(
    write: Write, unused_tcp_port_factory: Callable[[], int]
) -> None:
    port = unused_tcp_port_factory()
    refused = write(f"http://127.0.0.1:{port}", {"token": GOOD})
    with pytest.raises(
        Unavailable, match=f"127.0.0.1:{port} cannot be reached: connection refused"
    ) as caught:
        await _ask(refused)
    assert GOOD not in _everything(caught.value)
    with pytest.raises(Unavailable, match=r"kaeru-test\.invalid has a name that cannot be looked up"):
        await _ask(write("http://kaeru-test.invalid", {"token": GOOD}))
    with pytest.raises(Refused, match="no server whose address begins with https"):
        await _ask(write(GOOD, {"token": GOOD}))


async def test_a_server_that_is_no_api_server(write: Write) -> None:
    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="<html>log in</html>")

    application = web.Application()
    application.router.add_get("/{path:.*}", page)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        with pytest.raises(Unavailable, match="is not an API server"):
            await _ask(write(f"http://127.0.0.1:{runner.addresses[0][1]}", {"token": GOOD}))
    finally:
        await runner.cleanup()


async def test_logs_are_told_without_what_looks_like_a_secret(server: Server, write: Write) -> None:
    async with aclosing(Api(_settings(write(server.address, {"token": GOOD})))) as api:
        assert await api.logs("shop", "web-1", "web") == "started\npassword=[redacted] is wrong"


def _everything(error: BaseException) -> str:
    """The error and all that a traceback would tell of it."""
    told = [repr(error), getattr(error, "advice", "")]
    following = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return " ".join(told) + (_everything(following) if following else "")


@dataclass(frozen=True)
class Authority:
    """A certificate authority with a server's and a client's certificate, as PEM files."""

    folder: Path

    def __getattr__(self, name: str) -> Path:
        return self.folder / name.replace("_", ".")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for name in ("ca", "other"):
        openssl("req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}")
    (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN=kaeru-{name}")
        signing = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions")
        openssl("x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.crt", "-days", "1")
    openssl("ec", "-in", "client.key", "-out", "locked.key", "-aes256", "-passout", "pass:hunter2")
    return Authority(folder)


@pytest.fixture
async def tls(authority: Authority) -> AsyncIterator[Server]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.ca_crt)
    context.load_cert_chain(authority.server_crt, authority.server_key)
    context.verify_mode = ssl.CERT_OPTIONAL
    serving = Server(scheme="https")
    runner = await _serve(serving, context)
    yield serving
    await runner.cleanup()


async def test_a_server_is_believed_by_its_authority(tls: Server, write: Write, authority: Authority) -> None:
    trusted = {"certificate-authority": str(authority.ca_crt)}
    await _ask(write(tls.address, {"token": GOOD}, **trusted))
    with pytest.raises(
        Unavailable, match=f"127.0.0.1:{tls.port} shows a certificate that does not hold"
    ) as caught:
        await _ask(write(tls.address, {"token": GOOD}, **{"certificate-authority": str(authority.other_crt)}))
    assert GOOD not in _everything(caught.value)
    with pytest.raises(Unavailable, match="shows a certificate that does not hold"):
        await _ask(write(tls.address, {"token": GOOD}))
    await _ask(write(tls.address, {"token": GOOD}, **{"insecure-skip-tls-verify": True}))
    with pytest.raises(Refused, match=r"production cannot be used: .*nowhere\.crt"):
        await _ask(write(tls.address, {"token": GOOD}, **{"certificate-authority": "nowhere.crt"}))
    assert set(tls.seen) == {f"Bearer {GOOD}"}
    assert len(tls.seen) == 2


async def test_a_client_certificate_by_file_by_data_and_from_a_plugin(
    tls: Server, write: Write, authority: Authority, tmp_path: Path
) -> None:
    tls.token = ""
    trusted = {"certificate-authority": str(authority.ca_crt)}
    files = {"client-certificate": str(authority.client_crt), "client-key": str(authority.client_key)}
    await _ask(write(tls.address, files, **trusted))
    data = {f"{name}-data": _base64(Path(path)) for name, path in files.items()}
    await _ask(write(tls.address, data, **trusted))
    given = {
        "clientCertificateData": authority.client_crt.read_text(),
        "clientKeyData": authority.client_key.read_text(),
    }
    (tmp_path / "say").write_text(json.dumps({"kind": "ExecCredential", "status": given}))
    await _ask(write(tls.address, _plugin(tmp_path / "plugin", f"cat {tmp_path}/say"), **trusted))
    assert tls.subjects == [((("commonName", "kaeru-client"),),)] * 3
    broken = {**data, "client-key-data": _base64(authority.other_key)}
    with pytest.raises(Refused, match="certificates of context production cannot be used") as caught:
        await _ask(write(tls.address, broken, **trusted))
    assert "PRIVATE KEY" not in _everything(caught.value)


async def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_on_the_terminal(
    tls: Server, write: Write, authority: Authority
) -> None:
    files = {"client-certificate": str(authority.client_crt), "client-key": str(authority.locked_key)}
    kubeconfig = write(tls.address, files, **{"certificate-authority": str(authority.ca_crt)})
    # A terminal of its own: what is asked there would be waited for.
    code = (
        "import asyncio, sys; from pathlib import Path; from integrations.kubernetes.credentials import source\n"
        "from bot.ports.errors import Refused\n"
        "try: asyncio.run(source(Path(sys.argv[1]), None).read())\n"
        "except Refused as refused: print('refused:', refused.advice)\n"
    )
    asking = [
        "script",
        "-qec",
        f"{sys.executable} -c '{code.replace(chr(39), chr(34))}' {kubeconfig}",
        "/dev/null",
    ]
    async with asyncio.timeout(60):
        process = await asyncio.create_subprocess_exec(
            *asking, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
    assert b"pass phrase" not in said
    assert b"the key without a passphrase" in said


def _base64(path: Path) -> str:
    return subprocess.run(["base64", "-w0", str(path)], check=True, capture_output=True, text=True).stdout


async def test_in_a_pod_the_service_account_is_used_and_its_token_read_again(
    tls: Server, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(STALE)
    (tmp_path / "ca.crt").write_text(authority.ca_crt.read_text())
    monkeypatch.setattr(credentials, "IN_POD", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(tls.port))
    with pytest.raises(AuthFailed, match="this pod's service account"):
        await _ask(None)
    tls.seen.clear()
    async with aclosing(Api(_settings(None))) as api:
        with pytest.raises(AuthFailed):
            await api.get(WEB)
        (tmp_path / "token").write_text(GOOD)
        await api.get(WEB)
    assert [seen.lower() for seen in tls.seen][-1] == f"bearer {GOOD}"
    (tmp_path / "ca.crt").unlink()
    with pytest.raises(AuthFailed, match="service account of this pod cannot be read"):
        await _ask(None)

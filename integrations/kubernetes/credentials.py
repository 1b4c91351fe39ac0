"""Who kaeru is to a cluster and where that cluster is: read from a kubeconfig or from the pod it runs in.

The official client reads the authentication and the server; it takes seconds to import, so that happens in a
thread when a cluster is reached for the first time. Certificates and plugins are read here: the client would
leave keys in temporary files, and put what a plugin says into the log.
"""

import asyncio
import base64
import importlib
import os
import ssl
import tempfile
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.ports.errors import AuthFailed, Refused
from integrations.kubernetes import kubeconfig, plugins

IN_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# A mounted token is exchanged long before it expires; reading it once a minute is soon enough.
REREAD = timedelta(minutes=1)
EARLY = timedelta(minutes=1)


@dataclass(frozen=True, repr=False)
class Tls:
    """Certificates as PEM; empty where there is none. `authority` empty: the machine's own."""

    authority: str = ""
    certificate: str = ""
    key: str = ""
    verify: bool = True

    def context(self) -> ssl.SSLContext:
        """Raises ssl.SSLError for what is no certificate."""
        made = ssl.create_default_context(cadata=self.authority or None)
        # Newer Pythons want extensions that the authorities of many clusters lack; kubectl does not ask for them.
        made.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not self.verify:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        if self.certificate:
            with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:  # the library takes only files
                file.write(f"{self.certificate}\n{self.key}\n")
                file.flush()
                # Without a password a key that is encrypted would be asked for on the terminal.
                made.load_cert_chain(file.name, password=lambda: b"")
        return made


@dataclass(frozen=True, repr=False)
class Place:
    """Where a cluster is and how it is spoken to. `context` is empty for the pod's own service account."""

    context: str
    host: str
    tls: Tls
    server_name: str | None = None
    proxy: str | None = None

    @property
    def address(self) -> str:
        """The server as it may be shown."""
        url = urlsplit(self.host)
        return f"{url.hostname}:{url.port}" if url.port else str(url.hostname)


@dataclass(frozen=True, repr=False)
class Account:
    """`authorization` is a header's value, or empty. `renew_at` (UTC) is None where only a 401 tells."""

    place: Place
    authorization: str
    renew_at: datetime | None


@dataclass(frozen=True)
class Source:
    """Where an account is read from, again and again. No files: the pod's own service account."""

    files: tuple[Path, ...]
    context: str | None

    async def read(self) -> Account:
        """Raises Refused, AuthFailed, Unavailable: sentences without secrets."""
        if not self.files:
            return await asyncio.to_thread(_in_pod)
        chosen = await asyncio.to_thread(kubeconfig.choose, self.files, self.context)
        given = None
        if isinstance(plugin := chosen.user.get("exec"), dict):
            given = await plugins.credential(plugin, chosen.directory, chosen.name)
        return await asyncio.to_thread(_account, chosen, given)


def source(file: Path | None, context: str | None) -> Source:
    """Where to read, by what the settings say: the pod's own account only where they say nothing."""
    if file is not None:
        return Source((file,), context)
    in_pod = os.environ.get("KUBERNETES_SERVICE_HOST") and (IN_POD / "token").exists()
    return Source(() if in_pod and context is None else kubeconfig.default_files(), context)


def _account(chosen: kubeconfig.Chosen, given: plugins.Credential | None) -> Account:
    user, cluster, name = chosen.user, chosen.cluster, chosen.name
    if "auth-provider" in user:
        raise Refused(
            f"The user of context {name} logs in with an auth-provider, which kubectl has given up as well.",
            remedy="Use a credential plugin (exec), a token, or a client certificate.",
        )
    simple: dict[str, Any] = {
        key: user[key] for key in ("token", "tokenFile", "username", "password") if key in user
    }
    if given is not None:
        simple = {"token": given.token} if given.token else {}
    spoken = ("server", "insecure-skip-tls-verify", "tls-server-name", "proxy-url")
    read = _configured(name, {key: cluster[key] for key in spoken if key in cluster}, simple)
    host = str(read.host)
    try:
        certificate = given.certificate if given and not given.token else _pem(user, "client-certificate")
        key = given.key if given and not given.token else _pem(user, "client-key")
        tls = Tls(_pem(cluster, "certificate-authority"), certificate, key, verify=bool(read.verify_ssl))
        if host.startswith("https"):
            tls.context()
    except OSError as error:
        missing = f": {error.filename} {error.strerror}" if error.filename and error.strerror else ""
        keys = "Give PEM files that belong together, the key without a passphrase."
        remedy = keys if isinstance(error, ssl.SSLError) else ""
        raise Refused(
            f"The certificates of context {name} cannot be used{missing}.", remedy=remedy
        ) from error
    except ValueError:
        raise Refused(f"The certificates of context {name} cannot be read.") from None  # it quotes them
    renew_at = None
    if given is not None:
        renew_at = given.expires_at and given.expires_at - EARLY
    elif "tokenFile" in simple:
        renew_at = datetime.now(UTC) + REREAD
    proxy = _proxy(host, read.proxy, name)
    place = Place(context=name, host=host, tls=tls, server_name=read.tls_server_name, proxy=proxy)
    return Account(place, str(read.api_key.get("BearerToken", "")), renew_at)


def _configured(context: str, cluster: dict[str, Any], user: dict[str, Any]) -> Any:
    """The official client's Configuration."""
    if not str(cluster.get("server", "")).startswith(("https://", "http://")):
        raise Refused(f"The cluster of context {context} has no server whose address begins with https://.")
    loading = importlib.import_module("kubernetes.aio.config.kube_config")
    linked = {"cluster": context, "user": context}
    written = {
        "contexts": [{"name": context, "context": linked}],
        "clusters": [{"name": context, "cluster": cluster}],
        "users": [{"name": context, "user": user}],
    }
    read = loading.Configuration()
    try:
        asyncio.run(loading.KubeConfigLoader(written, active_context=context).load_and_set(read))
    except OSError as error:
        raise AuthFailed(
            f"The token of context {context} cannot be read: {user.get('tokenFile')} {error.strerror}."
        ) from error
    except loading.ConfigException:
        # Its text may hold what it could not understand.
        raise Refused(f"The context {context} cannot be understood.", remedy="Try it with kubectl.") from None
    if (token := read.api_key.get("BearerToken")) is not None:
        read.api_key["BearerToken"] = str(token).strip()
    return read


def _in_pod() -> Account:
    loading = importlib.import_module("kubernetes.aio.config.incluster_config")
    read = importlib.import_module("kubernetes.aio.client").Configuration()
    token, authority = IN_POD / "token", IN_POD / "ca.crt"
    loader = loading.InClusterConfigLoader(str(token), str(authority), try_refresh_token=False)
    try:
        loader.load_and_set(read)
        tls = Tls(authority.read_text(encoding="ascii"))
    except (OSError, loading.ConfigException) as error:
        raise AuthFailed(
            f"The service account of this pod cannot be read from {IN_POD}.",
            remedy="Let it be mounted (automountServiceAccountToken), or set `kubeconfig` in kaeru.yml.",
        ) from error
    place = Place(context="", host=str(read.host), tls=tls, proxy=None)
    return Account(place, str(read.api_key["BearerToken"]).strip(), datetime.now(UTC) + REREAD)


def _pem(said: dict[str, Any], name: str) -> str:
    """The content of `NAME-data`, else of the file `NAME`. Raises OSError, ValueError."""
    if data := said.get(f"{name}-data"):
        return base64.b64decode(str(data), validate=True).decode("ascii")
    return Path(str(said[name])).read_text(encoding="ascii") if said.get(name) else ""


def _proxy(host: str, said: str | None, context: str) -> str | None:
    """The proxy on the way to `host`: the kubeconfig's, else the environment's, as for kubectl."""
    url = urlsplit(host)
    if not said and urllib.request.proxy_bypass(url.hostname or ""):
        return None
    proxy = said or urllib.request.getproxies().get(url.scheme)
    if proxy and not proxy.startswith(("http://", "https://")):
        raise Refused(f"The proxy of context {context} is no http proxy, the only kind kaeru can use.")
    return proxy

"""Who kaeru is at AWS, and its clients: keys, profiles, roles of other accounts, and how long an answer may take.

Everything here blocks: call it in a thread. Clients may be used by several threads at once.
"""

import functools
import threading
from typing import Any

import boto3
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import NoCredentialsError
from botocore.loaders import Loader, create_loader
from botocore.session import Session as CoreSession
from botocore.session import get_session

from integrations.aws_access import Access

ATTEMPTS = 4
AGENT = "kaeru"
"""Stands in the user agent, and so in CloudTrail."""


class AwsSession:
    """Makes clients. A session of its own: boto3's default one is not for several threads."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._made: boto3.session.Session | None = None

    def client(self, service: str, *, attempts: int = ATTEMPTS, **options: Any) -> Any:
        """A client of `service`. One for changes should have one attempt: a lost answer is then told as one.

        Nothing is asked of AWS yet, except by a profile that says so. Raises what botocore raises.
        """
        own = self._access
        with self._lock:
            session = self._session()
            return session.client(
                service,  # type: ignore[call-overload]  # the stubs know only the services installed for them
                region_name=own.region,
                endpoint_url=own.endpoint,
                config=self._config(attempts, options),
            )

    def renew(self) -> None:
        """Have credentials that are good for a call, so that a change does not fail over that. Raises as `client`."""
        with self._lock:
            credentials = self._session().get_credentials()
        if credentials is not None:
            credentials.get_frozen_credentials()

    def _session(self) -> boto3.session.Session:
        if self._made is None:
            own = self._access
            core = _core()
            if own.profile is not None:
                core.set_config_variable("profile", own.profile)
            if own.access_key is not None and own.secret_key is not None:
                core.set_credentials(own.access_key.get_secret_value(), own.secret_key.get_secret_value())
            if own.role_arn is not None:
                core = self._assuming(core, own.role_arn)
            self._made = boto3.session.Session(botocore_session=core, region_name=own.region)
        return self._made

    def _assuming(self, source: CoreSession, role_arn: str) -> CoreSession:
        own = self._access
        keys = source.get_credentials()
        if keys is None:
            raise NoCredentialsError
        extra = {"RoleSessionName": AGENT}
        if own.external_id is not None:
            extra["ExternalId"] = own.external_id.get_secret_value()

        def sts(service: str, **arguments: Any) -> Any:
            arguments.setdefault("region_name", own.region)
            return source.create_client(
                service, endpoint_url=own.endpoint, config=self._config(ATTEMPTS, {}), **arguments
            )

        fetcher = AssumeRoleCredentialFetcher(
            client_creator=sts,
            source_credentials=keys,
            role_arn=role_arn,
            extra_args=extra,
        )
        assumed = _core()
        assumed.register_component("credential_provider", CredentialResolver([_Assumed(fetcher)]))
        return assumed

    def _config(self, attempts: int, options: dict[str, Any]) -> Config:
        return Config(
            connect_timeout=self._access.connect_timeout_s,
            read_timeout=self._access.read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": attempts},
            user_agent_extra=AGENT,
            **options,
        )


def _core() -> CoreSession:
    core = get_session()
    core.register_component("data_loader", _descriptions())
    return core


@functools.cache
def _descriptions() -> Loader:
    """AWS's descriptions of its services: large, and the same for every session."""
    return create_loader()


class _Assumed(CredentialProvider):
    """Credentials of a role that renew themselves."""

    METHOD = "assume-role"

    def __init__(self, fetcher: AssumeRoleCredentialFetcher) -> None:
        super().__init__()
        self._fetcher = fetcher

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(
            refresh_using=self._fetcher.fetch_credentials, method=self.METHOD
        )

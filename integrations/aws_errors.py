"""What AWS's errors mean to whoever asked: sentences that name the right, the resource and the credentials meant.

Signatures, tokens and the text of answers about credentials are never passed on.
"""

import contextlib
import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from botocore import exceptions as aws
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from bot.ports.errors import AuthFailed, OutcomeUnknown, PortError, Refused, Unavailable

THROTTLED_S, PASSING_S = 5.0, 5.0
"""Seconds until it is worth trying again, where AWS names none."""
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired")
_CLOCK = ("RequestExpired", "InvalidSignatureException")
_STRANGERS = (
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "AuthFailure",
    "OptInRequired",
)
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized", "403")
_THROTTLED = (
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "PriorRequestNotComplete",
    "SlowDown",
)
_PASSING = ("InternalError", "InternalFailure", "ServiceUnavailable", "RequestTimeout")
_MAY_NOT = re.compile(
    r"User: (?P<who>\S{1,300}) is not authorized to perform: (?P<right>[\w-]{1,64}:\w{1,128})"
    r"(?: on resource: (?P<resource>\S{1,400}?)(?=[\s,]|$))?"
)
_SET_CLOCK = "Set the clock of this machine: AWS allows five minutes."
_NOT_SENT = (
    aws.ConnectTimeoutError,
    aws.EndpointConnectionError,
    aws.ProxyConnectionError,
    aws.SSLError,
)
_WITHOUT = (aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError)
_SIGNED_OUT = (aws.TokenRetrievalError, aws.UnauthorizedSSOTokenError, aws.SSOTokenLoadError)


@dataclass(frozen=True)
class Asking:
    """Who asks what of AWS, for the sentences.

    `who` are the credentials as people know them. `missing` are the error codes that mean something of their own
    here, with the error to raise and its remedy. `changes` is whether a lost answer leaves something unknown.
    """

    service: str
    who: str
    where: str = ""
    region: str | None = None
    changes: bool = False
    rights: str = "integrations/aws/README.md says which rights are needed."
    known: Mapping[str, tuple[type[PortError], str]] = field(default_factory=dict)


@contextlib.contextmanager
def told(asking: Asking) -> Iterator[None]:
    """Turn the errors of boto3 into those of the ports."""
    try:
        yield
    except ClientError as error:
        raise _answered(error, asking) from error
    except BotoCoreError as error:
        raise _unanswered(error, asking) from error


def code_of(error: BaseException | None) -> str:
    """AWS's own code of the error behind one of the ports; empty where there is none."""
    if not isinstance(error, ClientError):
        return ""
    return str(error.response.get("Error", {}).get("Code", ""))


def _answered(error: ClientError, asking: Asking) -> PortError:
    code = code_of(error).removeprefix("Client.")
    message = str(error.response.get("Error", {}).get("Message", ""))
    meta = error.response.get("ResponseMetadata", {})
    status = int(meta.get("HTTPStatusCode", 0))
    what = f"{asking.service} declines {error.operation_name}{asking.where}: {code}"
    if code in asking.known:
        kind, remedy = asking.known[code]
        return kind(f"{what}.", remedy=remedy)
    if about_credentials := _identity(code, message, asking):
        return about_credentials
    if code in _DENIED:
        return _denied(what, message, asking)
    if code in _THROTTLED:
        headers = meta.get("HTTPHeaders", {})
        return Unavailable(
            f"{what}: too many requests.", retry_after_s=_seconds(headers.get("retry-after"), THROTTLED_S)
        )
    if code in _PASSING or status >= 500:
        return _failed(f"{asking.service} failed at {error.operation_name}{asking.where}: {code}", asking)
    said = f": {message[:300]}" if message else ""
    return Refused(f"{what}{said}".rstrip(".") + ".", remedy="Correct what AWS names there, and try again.")


def _failed(what: str, asking: Asking) -> PortError:
    if asking.changes:
        return OutcomeUnknown(f"{what}; it may have happened.")
    return Unavailable(f"{what}.", retry_after_s=PASSING_S)


def _identity(code: str, message: str, asking: Asking) -> PortError | None:
    if code == "RequestTimeTooSkewed":  # S3's for a part that took long to be sent, as well
        return Unavailable(f"{asking.service} holds the request to be too old ({code}).", remedy=_SET_CLOCK)
    if code in _CLOCK or (code == "SignatureDoesNotMatch" and message.startswith("Signature expired")):
        return AuthFailed(
            f"{asking.service} holds the request to be too old or too new ({code}).",
            remedy=_SET_CLOCK,
        )
    if code in _EXPIRED:
        return AuthFailed(
            f"The credentials of {asking.who} have expired ({code}).",
            remedy="Renew them (`aws sso login`, or new keys), or let kaeru assume a role, which it renews itself.",
        )
    if code in _STRANGERS:
        return AuthFailed(
            f"{asking.service} does not accept the credentials of {asking.who} ({code}).",
            remedy="Correct them, and see that their account has this region switched on.",
        )
    return None


def _denied(what: str, message: str, asking: Asking) -> AuthFailed:
    found = _MAY_NOT.search(message)
    if found is None:
        return AuthFailed(f"{what}, to {asking.who}.", remedy=asking.rights)
    on = f" on {found['resource']}" if found["resource"] else ""
    why = ""
    if "explicit deny" in message:
        why = ", and a policy denies it explicitly"
    elif "permissions boundary" in message:
        why = ", because of a permissions boundary"
    elif "service control policy" in message:
        why = ", because of a service control policy of the organization"
    return AuthFailed(
        f"{found['who']} lacks the right {found['right']}{on}{why}.",
        remedy=f"Allow {found['right']}{on} to {asking.who}. {asking.rights}",
    )


def _unanswered(error: BotoCoreError, asking: Asking) -> PortError:
    name = type(error).__name__
    if without := _unsigned(error, asking):
        return without
    if isinstance(error, aws.NoRegionError | aws.InvalidRegionError):
        return Refused(f"It is not said which region of {asking.service} is meant.", remedy="Set `region`.")
    if isinstance(error, _NOT_SENT):
        return _unreached(error, asking)
    if isinstance(error, aws.ParamValidationError | aws.ValidationError | aws.InvalidConfigError):
        return Refused(f"{asking.service} cannot be asked that{asking.where}: {error}")
    if isinstance(error, aws.HTTPClientError | aws.ReadTimeoutError) and asking.changes:
        return _failed(f"The answer of {asking.service}{asking.where} was lost ({name})", asking)
    return Unavailable(f"{asking.service} cannot be reached: {name}.", retry_after_s=PASSING_S)


def _unsigned(error: BotoCoreError, asking: Asking) -> PortError | None:
    name = type(error).__name__
    if isinstance(error, aws.ProfileNotFound):
        return AuthFailed(
            f"There is no such profile in the AWS configuration of the user that runs kaeru: {asking.who}.",
            remedy="Correct `profile`, or set AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE for kaeru.",
        )
    if isinstance(error, _WITHOUT):
        return AuthFailed(
            f"There are no credentials for {asking.service}: {name}.",
            remedy="Give kaeru a role or a profile, or set its keys.",
        )
    if isinstance(error, _SIGNED_OUT):
        return AuthFailed(
            f"The sign-in of {asking.who} has expired ({name}).",
            remedy="Sign in again (`aws sso login`), or let kaeru assume a role from keys of its own.",
        )
    return None


def _unreached(error: BotoCoreError, asking: Asking) -> PortError:
    region = asking.region
    if region is not None and region not in (known := _regions()):
        near = difflib.get_close_matches(region, known, 1)
        return Refused(
            f"{asking.service} cannot be reached, and AWS has no region {region} that kaeru knows of.",
            remedy=f"Did you mean {near[0]}?" if near else "Correct `region`.",
        )
    return Unavailable(
        f"{asking.service} cannot be reached: {type(error).__name__}.",
        retry_after_s=PASSING_S,
        remedy="See that this machine can reach AWS's endpoint of that region (proxy, DNS, firewall).",
    )


def _regions() -> set[str]:
    session = get_session()
    return {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("sts", partition)
    }


def _seconds(text: str | None, default: float) -> float:
    try:
        return min(max(float(text or default), 0.1), 300.0)
    except ValueError:
        return default

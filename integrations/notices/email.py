"""Notices by e-mail. One message for each notice, with an id of its own that every try has."""

import asyncio
import contextlib
import hashlib
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP

from bot.domain.audiences import Audience, Moment
from bot.domain.notices import Notice
from bot.ports.errors import AuthFailed, OutcomeUnknown, PortError, Refused, Unavailable
from bot.ports.notices import Declined, Sent
from integrations.http_client import in_words, own_trust
from integrations.notices.settings import EmailSettings

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
# Every server takes it, whatever it says of itself.
_POLICY = SMTP.clone(cte_type="7bit")
_SAID = 200
_GO_ON = 354


class EmailNotifier:
    """Tells by e-mail. Nobody recognises a key there: a message that may have been taken is not sent again."""

    recognises = False

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings

    @property
    def identity(self) -> str:
        return f"e-mail to {', '.join(self._settings.to)}"

    @property
    def audience(self) -> Audience:
        return self._settings.audience

    @property
    def moments(self) -> frozenset[Moment]:
        return self._settings.moments

    async def send(self, notice: Notice, key: str) -> Sent:
        message = message_of(self._settings, notice, key)
        password = self._settings.secret()
        return await asyncio.to_thread(_Session(self._settings, password).deliver, message)

    async def check(self) -> str:
        await asyncio.to_thread(_Session(self._settings, self._settings.secret()).look)
        own = self._settings
        return f"{own.host} lets kaeru in{f' as {own.user}' if own.user else ''}; nothing was sent"

    async def aclose(self) -> None:
        """Nothing stays open."""


def message_of(settings: EmailSettings, notice: Notice, key: str) -> EmailMessage:
    """The message. Its id comes from the key; all of one incident refer to the same id, so that they are a thread."""
    domain = settings.sender.rpartition("@")[2]
    message = EmailMessage(policy=_POLICY)
    message["Subject"] = notice.subject
    message["From"] = settings.sender
    hidden = notice.known.audience is Audience.CUSTOMERS
    message["To"] = "undisclosed-recipients:;" if hidden else ", ".join(settings.to)
    if settings.reply_to is not None:
        message["Reply-To"] = settings.reply_to
    message["Date"] = notice.known.at
    message["Message-ID"] = f"<{_short(key)}@{domain}>"
    thread = f"<{_short(f'thread of {notice.known.thread}')}@{domain}>"
    message["In-Reply-To"] = thread
    message["References"] = thread
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{notice.text}\n")
    return message


def _short(text: str) -> str:
    return f"kaeru-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


class _Session:
    """One connection, in a thread. Every method raises the port's errors."""

    def __init__(self, settings: EmailSettings, password: str | None) -> None:
        self._settings = settings
        self._password = password
        self._server = f"The mail server {settings.host}"

    def look(self) -> None:
        """Connect and log in, and leave."""
        with self._connected():
            pass

    def deliver(self, message: EmailMessage) -> Sent:
        """Hand it over. What is lost before the server is ready for the message was not sent."""
        with self._connected() as smtp:
            with self._unsent():
                self._expect(smtp.mail(self._settings.sender), 250)
                declined = self._recipients(smtp)
                self._expect(smtp.docmd("DATA"), _GO_ON)
            code, said = self._handed_over(smtp, message.as_bytes())
            self._expect((code, said), 250)
        return Sent(reference=str(message["Message-ID"]), url="", declined=tuple(declined))

    @contextlib.contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        smtp = None
        try:
            with self._unsent():
                smtp = self._open()
                self._log_in(smtp)
            yield smtp
        finally:
            if smtp is not None:
                self._leave(smtp)

    def _open(self) -> smtplib.SMTP:
        own = self._settings
        port, seconds = own.port or _PORTS[own.security], own.timeout.total_seconds()
        here = socket.gethostname() or "kaeru"
        trust = None if own.security == "none" else own_trust(own.ca_file)
        if own.security == "tls":
            return smtplib.SMTP_SSL(own.host, port, here, timeout=seconds, context=trust)
        smtp = smtplib.SMTP(own.host, port, here, timeout=seconds)
        if trust is not None:
            try:
                smtp.starttls(context=trust)
            except BaseException:
                smtp.close()
                raise
        return smtp

    def _log_in(self, smtp: smtplib.SMTP) -> None:
        smtp.ehlo_or_helo_if_needed()
        if self._settings.user is not None:
            smtp.login(self._settings.user, self._password or "")

    def _recipients(self, smtp: smtplib.SMTP) -> list[Declined]:
        """Who is declined. Raises where nobody is left."""
        declined, last = [], (250, b"")
        for recipient in self._settings.to:
            last = smtp.rcpt(recipient)
            code, said = last
            if code not in (250, 251, 252):
                reason = f"{code} {_words(said)}".strip()
                declined.append(Declined(recipient=recipient, reason=reason, for_now=code < 500))
        if len(declined) < len(self._settings.to):
            return declined
        told = "; ".join(f"{one.recipient}: {one.reason}" for one in declined)
        if any(one.for_now for one in declined):
            raise Unavailable(f"{self._server} takes no recipient for now: {told}.", retry_after_s=60.0)
        raise Refused(f"{self._server} takes no recipient: {told}.", remedy="Correct `to` in kaeru.yml.")

    def _handed_over(self, smtp: smtplib.SMTP, message: bytes) -> tuple[int, bytes]:
        """From here on it may have been taken, whatever is lost."""
        stuffed = re.sub(rb"(?m)^\.", b"..", message)
        end = b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n"
        try:
            smtp.send(stuffed + end)
            return smtp.getreply()
        except (smtplib.SMTPException, OSError) as error:
            raise OutcomeUnknown(
                f"{self._server} did not say whether it has taken the message: {in_words(error)}."
            ) from error

    def _expect(self, answer: tuple[int, bytes], code: int) -> None:
        """Raise what another answer means: nothing was sent."""
        if answer[0] != code:
            raise self._meaning(answer[0], answer[1])

    def _meaning(self, code: int, said: bytes) -> PortError:
        told = f"{code} {self._without_secret(_words(said))}".strip().rstrip(".")
        if 400 <= code < 500 or code == -1:
            return Unavailable(f"{self._server} declines for now: {told}.", retry_after_s=30.0)
        if code in (530, 534, 535, 538):
            return AuthFailed(
                f"{self._server} declines who kaeru is: {told}.", remedy="Correct user and password."
            )
        return Refused(
            f"{self._server} declines: {told}.", remedy="Correct the sender, or let it send through there."
        )

    @contextlib.contextmanager
    def _unsent(self) -> Iterator[None]:
        """What goes wrong in here goes wrong before anything was sent."""
        try:
            yield
        except smtplib.SMTPNotSupportedError as error:
            what = "STARTTLS" if "STARTTLS" in str(error) else "a log-in"
            raise Refused(f"{self._server} does not offer {what}.", remedy="Correct `security`.") from error
        except smtplib.SMTPResponseException as error:
            said = error.smtp_error
            raise self._meaning(
                error.smtp_code, said if isinstance(said, bytes) else str(said).encode()
            ) from error
        except ssl.SSLCertVerificationError as error:
            raise Refused(
                f"The certificate of {self._server.replace('The', 'the')} does not hold.",
                remedy="Give the authority that signed it as ca_file, or renew the certificate.",
            ) from error
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable(
                f"{self._server} cannot be reached: {in_words(error)}.", retry_after_s=5.0
            ) from error

    def _without_secret(self, text: str) -> str:
        return text.replace(self._password, "[redacted]") if self._password else text

    def _leave(self, smtp: smtplib.SMTP) -> None:
        """It has taken the message or it has not; how the connection ends changes neither."""
        with contextlib.suppress(smtplib.SMTPException, OSError):
            smtp.quit()
        smtp.close()


def _words(said: bytes) -> str:
    return " ".join(said.decode("utf-8", "replace").split())[:_SAID]

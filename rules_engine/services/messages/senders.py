"""The channels by which messages leave the house. Each takes a letter, and raises DeliveryError when it did not go."""

import hashlib
import re
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from rules_engine import clock
from rules_engine.errors import AddressFailed, DeliveryError, InputError, SettingsError
from rules_engine.services.messages import addresses, outward
from rules_engine.services.messages.outbox import EMAIL, URL, Letter, Sender
from rules_engine.settings import Settings

PATIENCE_SECONDS = 10
"""For every single answer of the mail server; a hanging one must not hold a worker."""
MAIL_SECONDS = 30
URL_SECONDS = 20
"""For a whole letter, however slowly the other side talks: shorter than the lease of a message and a job's time-out."""

_FOR_LATER = frozenset({408, 409, 425, 429})
"""Refusals that mean "try again": the others below 500 stay the same until a person changes something."""


def make_senders(settings: Settings) -> Mapping[str, Sender]:
    """Return a sender for each channel that the settings provide for; what has none stays in the outbox page.

    Raises SettingsError when `PRAVILA_SMTP_URL` cannot be used.
    """
    senders: dict[str, Sender] = {URL: UrlSender(settings.public_url)}
    if settings.smtp_url:
        server = MailServer.from_url(settings.smtp_url)
        senders[EMAIL] = MailSender(server, settings.mail_from, settings.public_url)
    return senders


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over: `smtp://user:password@host:587?starttls=1` or `smtps://…`."""

    host: str
    port: int
    user: str
    password: str
    tls: bool
    starttls: bool

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Raises SettingsError with a reason that does not repeat the password."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise SettingsError(name="PRAVILA_SMTP_URL", problem="the port is not a number") from None
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise SettingsError(name="PRAVILA_SMTP_URL", problem="smtp://host:port or smtps://host:port is expected")
        tls = parts.scheme == "smtps"
        return cls(
            host=parts.hostname,
            port=port or (465 if tls else 25),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            tls=tls,
            starttls=parse_qs(parts.query).get("starttls") == ["1"],
        )


class MailSender:
    """Hands letters over to one mail server, one connection a letter."""

    def __init__(self, server: MailServer, sender: str, public_url: str, *, patience: float = PATIENCE_SECONDS) -> None:
        self._server = server
        self._sender = sender
        self._public_url = public_url
        self._patience = patience

    def __call__(self, letter: Letter) -> None:
        """Raises DeliveryError: permanent when the server refuses this letter or its address for good."""
        message = self._compose(letter)
        try:
            # A mail server is the administrator's, who may have it anywhere.
            outward.call(lambda: self._hand_over(message), seconds=MAIL_SECONDS, watched=False)
        except smtplib.SMTPRecipientsRefused as problem:
            code, text = next(iter(problem.recipients.values()))
            raise DeliveryError(reason=_reason(code, text), permanent=code >= 500) from problem
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as problem:
            raise DeliveryError(
                reason=_reason(problem.smtp_code, problem.smtp_error), permanent=problem.smtp_code >= 500
            ) from problem
        except smtplib.SMTPResponseException as problem:
            # The greeting, the login, STARTTLS: an administrator can mend it, and the letter is as good as before.
            raise DeliveryError(reason=_reason(problem.smtp_code, problem.smtp_error), permanent=False) from problem
        except smtplib.SMTPNotSupportedError as problem:
            raise DeliveryError(reason=str(problem), permanent=False) from problem
        except (smtplib.SMTPException, OSError) as problem:
            raise DeliveryError(reason=str(problem) or type(problem).__name__, permanent=False) from problem

    def _hand_over(self, message: EmailMessage) -> None:
        with self._connection() as connection:
            connection.send_message(message)

    def _compose(self, letter: Letter) -> EmailMessage:
        message = EmailMessage()
        try:
            message["To"] = Address(addr_spec=letter.address)
        except (MessageError, ValueError, IndexError) as problem:
            raise DeliveryError(reason=f"not an address: {letter.address!r}", permanent=True) from problem
        message["From"] = self._sender
        message["Subject"] = " ".join(letter.subject.split())
        message["Date"] = format_datetime(clock.now())
        # The same for every try, so that a receiver can recognise a double.
        digest = hashlib.sha256(letter.key.encode()).hexdigest()[:32]
        message["Message-ID"] = f"<{digest}@{self._sender.rpartition('@')[2].rstrip('>')}>"
        message["Auto-Submitted"] = "auto-generated"
        message["Content-Language"] = letter.locale
        message.set_content(_text(letter, self._public_url) + "\n", cte="8bit")
        return message

    @contextmanager
    def _connection(self) -> Iterator[smtplib.SMTP]:
        server = self._server
        if server.tls:
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=self._patience, context=ssl.create_default_context()
            )
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=self._patience)
        with connection:
            if server.starttls:
                connection.starttls(context=ssl.create_default_context())
            if server.user:
                connection.login(server.user, server.password)
            yield connection


class UrlSender:
    """Hands letters to the services that people named in their settings."""

    def __init__(self, public_url: str, *, patience: float = URL_SECONDS) -> None:
        self._public_url = public_url
        self._patience = patience

    def __call__(self, letter: Letter) -> None:
        """Raises AddressFailed: permanent when the same message will be refused until somebody changes something."""
        try:
            plugin = addresses.open_address(letter.url)
        except InputError as problem:
            raise AddressFailed(ru=str(problem.data["ru"]), en=str(problem.data["en"]), permanent=True) from None
        text = _text(letter, self._public_url)
        try:
            is_taken, said = outward.call(
                lambda: addresses.send(plugin, subject=letter.subject, body=text, key=letter.key),
                seconds=self._patience,
                allows_private=letter.may_be_private,
            )
        except outward.AddressRefused:
            raise AddressFailed(
                ru="адрес внутренней сети; разрешить такие может администратор в настройках",
                en="an address of the internal network; an administrator can allow those in the settings",
                permanent=True,
            ) from None
        except TimeoutError:
            raise AddressFailed(
                ru=f"служба не ответила за {self._patience:g} с",
                en=f"the service did not answer within {self._patience:g} s",
                permanent=False,
            ) from None
        if not is_taken:
            raise _refusal(said)


def _refusal(said: str) -> AddressFailed:
    """Return why a service did not take a letter, from what its plugin wrote: its words may repeat the address."""
    if found := re.search(r"error=(\d{3})\b", said):
        code = int(found[1])
        return AddressFailed(
            ru=f"служба ответила отказом, код {code}",
            en=f"the service refused it, code {code}",
            permanent=300 <= code < 500 and code not in _FOR_LATER,
        )
    return AddressFailed(
        ru="нет связи со службой или она не приняла сообщение",
        en="the service cannot be reached or did not take the message",
        permanent=False,
    )


def _text(letter: Letter, public_url: str) -> str:
    link = f"{public_url}{letter.link}" if letter.link.startswith("/") else letter.link
    return "\n\n".join(part for part in (letter.body, link) if part)


def _reason(code: int, text: bytes | str) -> str:
    return f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"

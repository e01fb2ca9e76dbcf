"""Mail, handed to a real SMTP server on loopback."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from rules_engine.errors import DeliveryError, SettingsError
from rules_engine.services.messages.outbox import EMAIL, URL, Letter
from rules_engine.services.messages.senders import MailSender, MailServer, make_senders
from rules_engine.settings import Settings
from tests.postbox import Postbox, postbox

Start = Callable[..., tuple[Postbox, int]]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as running:
        yield lambda **options: running.enter_context(postbox(**options))


def sender_to(address: str) -> MailSender:
    return MailSender(
        MailServer.from_url(address), "Pravila <pravila@example.org>", "https://sales.example.org", patience=2
    )


def letter(**changes: object) -> Letter:
    values: dict[str, object] = {
        "key": "late:17:4:email",
        "channel": EMAIL,
        "address": "anna@example.org",
        "subject": "Заявка А-17: срок ответа прошёл в 12:12",
        "body": "Клиент: ООО «Ромашка»",
        "link": "/requests/17",
        "locale": "ru",
        "message_ids": (1,),
    }
    return Letter(**(values | changes))  # type: ignore[arg-type]


def test_a_letter_arrives_with_its_words_and_a_link_that_can_be_opened(start: Start) -> None:
    postbox, port = start()
    sender_to(f"smtp://127.0.0.1:{port}")(letter())
    [message] = postbox.received
    assert message["To"] == "anna@example.org"
    assert message["From"] == "Pravila <pravila@example.org>"
    assert message["Subject"] == "Заявка А-17: срок ответа прошёл в 12:12"
    assert message["Auto-Submitted"] == "auto-generated"
    assert (
        message.get_content().splitlines()
        == ["Клиент: ООО «Ромашка»", "", "https://sales.example.org/requests/17"]
    )  # fmt: skip


def test_a_repeat_carries_the_same_message_id_and_another_letter_another(start: Start) -> None:
    postbox, port = start()
    send = sender_to(f"smtp://127.0.0.1:{port}")
    for one in (letter(), letter(), letter(key="late:18:4:email")):
        send(one)
    first, again, other = (message["Message-ID"] for message in postbox.received)
    assert first == again != other
    assert first.endswith("@example.org>")


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [("550 no such mailbox", True), ("451 try later", False), ("452 mailbox full", False), ("553 not here", True)],
)
def test_what_the_server_says_of_an_address_decides_whether_to_try_again(
    start: Start, answer: str, permanent: bool
) -> None:
    postbox, port = start()
    postbox.refuse_address = answer
    with pytest.raises(DeliveryError) as caught:
        sender_to(f"smtp://127.0.0.1:{port}")(letter())
    assert (caught.value.permanent, answer in str(caught.value)) == (permanent, True)


@pytest.mark.parametrize(("answer", "permanent"), [("554 looks like spam", True), ("450 later", False)])
def test_what_the_server_says_of_the_content_decides_whether_to_try_again(
    start: Start, answer: str, permanent: bool
) -> None:
    postbox, port = start()
    postbox.refuse_content = answer
    with pytest.raises(DeliveryError) as caught:
        sender_to(f"smtp://127.0.0.1:{port}")(letter())
    assert caught.value.permanent is permanent


def test_a_server_that_is_away_is_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(DeliveryError) as caught:
            sender_to(f"smtp://127.0.0.1:{port}")(letter())
    assert not caught.value.permanent


def test_a_server_that_never_answers_does_not_hold_a_worker() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        send = MailSender(MailServer.from_url(f"smtp://127.0.0.1:{port}"), "p@example.org", "http://x", patience=0.2)
        with pytest.raises(DeliveryError) as caught:
            send(letter())
    assert not caught.value.permanent


@pytest.mark.parametrize("address", ["", "anna", "anna@", "a@b@c", "a@example.org\r\nBcc: b@example.org"])
def test_what_is_no_address_is_given_up_at_once(start: Start, address: str) -> None:
    postbox, port = start()
    with pytest.raises(DeliveryError) as caught:
        sender_to(f"smtp://127.0.0.1:{port}")(letter(address=address))
    assert caught.value.permanent
    assert postbox.received == []


def test_a_subject_cannot_add_headers(start: Start) -> None:
    postbox, port = start()
    sender_to(f"smtp://127.0.0.1:{port}")(letter(subject="Заявка\r\nBcc: b@example.org"))
    [message] = postbox.received
    assert message["Bcc"] is None
    assert message["Subject"] == "Заявка Bcc: b@example.org"


def check_password(_server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: object) -> AuthResult:
    assert isinstance(data, LoginPassword)
    # handled=False lets the server send the refusal itself.
    return AuthResult(success=(data.login, data.password) == (b"pravila", b"p@ss:word"), handled=False)


# The server warns its administrator; on loopback the password goes nowhere.
@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_it_logs_in_with_what_the_address_says(start: Start) -> None:
    postbox, port = start(authenticator=check_password, auth_required=True, auth_require_tls=False)
    sender_to(f"smtp://pravila:p%40ss%3Aword@127.0.0.1:{port}")(letter())
    assert len(postbox.received) == 1


# The server warns its administrator; on loopback the password goes nowhere.
@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_a_refused_login_is_tried_again_for_somebody_can_mend_it(start: Start) -> None:
    postbox, port = start(authenticator=check_password, auth_required=True, auth_require_tls=False)
    with pytest.raises(DeliveryError) as caught:
        sender_to(f"smtp://pravila:wrong@127.0.0.1:{port}")(letter())
    assert not caught.value.permanent
    assert "wrong" not in str(caught.value)
    assert postbox.received == []


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificate can be made")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


def test_starttls_with_a_trusted_certificate_encrypts(
    start: Start, certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, context = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    postbox, port = start(tls_context=context, require_starttls=True)
    sender_to(f"smtp://127.0.0.1:{port}?starttls=1")(letter())
    assert len(postbox.received) == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(
    start: Start, certificate: tuple[Path, ssl.SSLContext]
) -> None:
    _, context = certificate
    postbox, port = start(tls_context=context, require_starttls=True)
    with pytest.raises(DeliveryError) as caught:
        sender_to(f"smtp://127.0.0.1:{port}?starttls=1")(letter())
    assert not caught.value.permanent
    assert postbox.received == []


def test_without_settings_there_is_no_sender_and_mail_stays_in_the_outbox(settings: Settings) -> None:
    assert set(make_senders(settings)) == {URL}


@pytest.mark.parametrize("url", ["http://example.org", "smtp://", "mail", "smtp://h:port"])
def test_an_address_that_is_no_mail_server_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    settings = Settings.from_env({"PRAVILA_HOME": str(tmp_path), "PRAVILA_SMTP_URL": url})
    with pytest.raises(SettingsError):
        make_senders(settings)


def test_ports_follow_the_scheme() -> None:
    assert MailServer.from_url("smtps://example.org").port == 465
    assert MailServer.from_url("smtp://example.org").port == 25
    assert MailServer.from_url("smtp://example.org:2525?starttls=1").starttls

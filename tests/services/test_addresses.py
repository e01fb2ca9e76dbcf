"""Messages to whatever a person named: handed to a real HTTP receiver on loopback; never into the internal network."""

import logging
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import StringIO

import pytest

from rules_engine.errors import AddressFailed, InputError
from rules_engine.services.messages import addresses, outward
from rules_engine.services.messages.outbox import URL, Letter
from rules_engine.services.messages.senders import UrlSender
from tests.receiver import Receiver, receiver


@contextmanager
def what_is_logged() -> Iterator[StringIO]:
    """Yield what a process writes into its log meanwhile. pytest's own fixture hears loggers that tell nobody, too."""
    lines = StringIO()
    handler = logging.StreamHandler(lines)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


SECRET = "a secret of this installation"
TELEGRAM = "tgram://123456789:abcdefg_hijklmnop/12315544/"


@pytest.fixture(scope="module")
def running() -> Iterator[Receiver]:
    with receiver() as box:
        yield box


@pytest.fixture
def box(running: Receiver) -> Receiver:
    running.received.clear()
    running.answers.clear()
    running.redirect_to, running.hangs = "", False
    return running


def letter(url: str, **changes: object) -> Letter:
    values: dict[str, object] = {
        "key": "assigned:17:4:url:0cb4a5b8295e",
        "channel": URL,
        "address": "json · 0cb4",
        "subject": "Заявка А-17 <важно>",
        "body": "Клиент: ООО «Ромашка»",
        "link": "/requests/17",
        "locale": "ru",
        "message_ids": (1,),
        "url": url,
        "may_be_private": True,
    }
    return Letter(**(values | changes))  # type: ignore[arg-type]


def send(one: Letter, patience: float = 5) -> None:
    UrlSender("https://sales.example.org", patience=patience)(one)


def refused(one: Letter, patience: float = 5) -> AddressFailed:
    with pytest.raises(AddressFailed) as caught:
        send(one, patience)
    for secret in ("s3cret", "t0ken", one.url):
        assert secret not in str(caught.value) + caught.value.message("ru")
    return caught.value


def test_a_message_arrives_with_its_words_its_link_and_its_key(box: Receiver) -> None:
    send(letter(box.url))
    send(letter(box.url))
    first, again = box.received
    key, body = first
    assert (key, body["title"]) == ("assigned:17:4:url:0cb4a5b8295e", "Заявка А-17 <важно>")
    assert body["message"] == "Клиент: ООО «Ромашка»\n\nhttps://sales.example.org/requests/17"
    assert again[0] == key, "a repeat is known by its key"


@pytest.mark.parametrize(
    ("code", "permanent"), [(500, False), (503, False), (429, False), (408, False), (404, True), (401, True)]
)
def test_what_the_receiver_answers_decides_whether_to_try_again(box: Receiver, code: int, permanent: bool) -> None:
    box.answers = [code]
    problem = refused(letter(box.url))
    assert (problem.permanent, problem.message("ru")) == (
        permanent,
        f"не доставлено: служба ответила отказом, код {code}",
    )


def test_a_receiver_that_hangs_does_not_hold_a_worker(box: Receiver) -> None:
    box.hangs = True
    problem = refused(letter(box.url), patience=0.3)
    assert (problem.permanent, problem.message("en")) == (
        False,
        "not delivered: the service did not answer within 0.3 s",
    )


def test_a_receiver_that_is_away_is_tried_again() -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        assert not refused(letter(f"json://127.0.0.1:{unused.getsockname()[1]}/t0ken")).permanent


def test_nobody_is_sent_on_to_another_address(box: Receiver) -> None:
    box.answers, box.redirect_to = [307], f"http://127.0.0.1:{box.port}/elsewhere"
    assert refused(letter(box.url + "?redirect=yes")).permanent
    assert box.received == []


def test_no_parameter_lets_a_failure_pass_for_a_success(box: Receiver) -> None:
    box.answers = [500]
    assert not refused(letter(box.url + "?optional=yes&retry=3&cto=600&rto=600")).permanent


class TestTheInternalNetwork:
    def test_is_out_of_reach_by_whatever_name_unless_it_was_allowed(self, box: Receiver) -> None:
        for host in ("127.0.0.1", "localhost"):
            url = f"json://{host}:{box.port}/t0ken"
            problem = refused(letter(url, may_be_private=False))
            assert problem.permanent
            assert "внутренней сети" in problem.message("ru")
        assert box.received == []

    def test_a_thread_that_is_not_watched_may_connect_meanwhile(self, box: Receiver) -> None:
        def connect() -> str:
            with socket.create_connection(("127.0.0.1", box.port), timeout=5) as made:
                return str(made.getpeername()[0])

        with pytest.raises(outward.AddressRefused):
            outward.call(connect, seconds=5, allows_private=False)
        assert outward.call(connect, seconds=5, watched=False) == "127.0.0.1"
        assert connect() == "127.0.0.1"

    @pytest.mark.parametrize(
        "address",
        ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "::1", "fe80::1%eth0",
         "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "100.64.0.1", "224.0.0.1", "fd00::1", "/a"],
    )  # fmt: skip
    def test_these_are_not_public(self, address: str) -> None:
        assert outward.is_refused(address)

    @pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0"])
    def test_these_are_refused_even_where_private_ones_are_allowed(self, address: str) -> None:
        assert outward.is_refused(address, allows_private=True)

    def test_public_ones_pass(self) -> None:
        assert not any(outward.is_refused(one) for one in ("93.184.216.34", "2606:2800:220:1::1"))


class TestWhatAPersonTypes:
    @pytest.mark.parametrize(
        "url",
        [TELEGRAM, "jsons://u:p@example.org/x", "gotifys://push.example.org/AbCdEfGhIjKlMn0", "ntfy://topic",
         "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"],
    )  # fmt: skip
    def test_known_services_are_taken(self, url: str) -> None:
        addresses.check(url, allows_private=False)

    @pytest.mark.parametrize(
        "url",
        ["syslog://", "dbus://", "gnome://", "macosx://", "windows://", "blink1://", "mqtt://h/t", "mailto://u:p@h",
         "workflows://h/w/s", "file:///etc/passwd", "exec:///bin/sh", "https://example.org/", "json://", "rubbish",
         "json://h/\n", "json://2130706433/x", TELEGRAM + "?template=/etc/passwd",
         TELEGRAM + "?a=b;%74emplate=/etc/passwd",
         "json://" + "x" * 600],
    )  # fmt: skip
    def test_what_acts_on_this_machine_or_reads_its_files_is_refused(self, url: str) -> None:
        with pytest.raises(InputError):
            addresses.check(url, allows_private=True)

    @pytest.mark.parametrize("url", ["json://127.0.0.1/x", "xml://[::1]/x", "json://localhost/x", "json://10.0.0.1/x"])
    def test_the_internal_network_is_refused_unless_it_was_allowed(self, url: str) -> None:
        with pytest.raises(InputError):
            addresses.check(url, allows_private=False)
        addresses.check(url, allows_private=True)

    def test_the_line_that_is_wrong_is_named_without_its_secrets(self) -> None:
        with what_is_logged() as lines, pytest.raises(InputError) as caught:
            addresses.read_many(f"{TELEGRAM}\n\ntgram://s3cret", allows_private=False)
        assert caught.value.data["ru"] == "строка 3: адрес не разобран"
        assert "s3cret" not in f"{caught.value}{lines.getvalue()}"

    def test_of_far_too_many_no_more_are_looked_at_than_anybody_may_have(self) -> None:
        many = "\n".join(f"{TELEGRAM}{number}" for number in range(addresses.MOST + 1))
        with pytest.raises(InputError) as refused:
            addresses.read_many(f"{many}\nwhat nobody looks at", allows_private=False)
        assert refused.value.data["en"] == "at most 5 addresses"

    def test_the_same_line_twice_is_one_address(self) -> None:
        assert addresses.read_many(f"{TELEGRAM}\n {TELEGRAM} \n", allows_private=False) == [TELEGRAM]

    def test_it_is_shown_without_what_is_secret_in_it(self) -> None:
        url = "jsons://anna:s3cret@hooks.example.org:8443/t0ken?+X-Key=k3y"
        shown = addresses.shown(url, SECRET)
        assert shown.label == f"JSON · hooks.example.org:8443 · {shown.key[:4]}"
        assert addresses.shown(TELEGRAM, SECRET).label.startswith("Telegram · ")
        assert addresses.find([TELEGRAM, url], shown.key, SECRET) == url
        assert addresses.find([TELEGRAM, url], shown.key, "another secret") is None
        assert "s3cret" not in repr(letter(url))

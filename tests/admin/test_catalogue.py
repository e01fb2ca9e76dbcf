"""Every word of the pages exists in Russian, and none of them is one that we do not say."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2.ext:babel_extract")]
KEYWORDS = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}
FORBIDDEN = re.compile(
    r"\b(штраф|депремир|лишени\w+ преми|удержани|взыскан|наказан|санкци|отстранен|провинност)", re.IGNORECASE
)


def messages_of_the_code() -> Catalog:
    found = Catalog()
    for _file, _line, message, _comments, _context in extract_from_dir(
        ROOT / "admin", METHODS, keywords=KEYWORDS, options_map={"**/templates/**.html": {"silent": "false"}}
    ):
        found.add(message)
    return found


@pytest.fixture(scope="module")
def russian() -> Catalog:
    with (ROOT / "admin/translations/ru/LC_MESSAGES/messages.po").open("rb") as stream:
        return read_po(stream, locale="ru")


def texts(message: Message) -> tuple[str, ...]:
    return message.string if isinstance(message.string, tuple) else (message.string,)


def test_every_message_of_the_code_is_translated(russian: Catalog) -> None:
    missing = []
    for message in messages_of_the_code():
        if not message.id:
            continue
        known = russian.get(message.id)
        if known is None or known.fuzzy or not all(texts(known)):
            missing.append(message.id)
    assert missing == []


def test_the_catalogue_holds_nothing_that_the_code_no_longer_says(russian: Catalog) -> None:
    code = messages_of_the_code()

    assert [message.id for message in russian if message.id and code.get(message.id) is None] == []


def test_placeholders_are_the_same_in_both_languages(russian: Catalog) -> None:
    for message in russian:
        if message.id:
            assert list(message.check(russian)) == [], message.id


def test_no_word_that_we_do_not_say_and_no_shouting(russian: Catalog) -> None:
    for message in russian:
        for text in (*texts(message), *([message.id] if isinstance(message.id, str) else message.id)):
            if message.id:
                assert not FORBIDDEN.search(text), text
                assert "!" not in text, text

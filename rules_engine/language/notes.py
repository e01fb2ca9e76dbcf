"""The note of a rule, why it exists: one text for all readers, or one for each language, as titles are written."""

from rules_engine.language.kinds import Words

Note = str | dict[str, str]


def words_of(written: object) -> Words:
    """Return a title or note as a document has it; a text stands for both languages, anything else is empty."""
    if isinstance(written, dict):
        return Words(str(written.get("ru") or ""), str(written.get("en") or ""))
    text = str(written or "")
    return Words(text, text)


def note_text(written: object, lang: str) -> str:
    """Return a note as a reader of `lang` sees it: in his language, else in the other."""
    return words_of(written).text(lang)


def other_text(written: object, lang: str) -> str:
    """Return what a note says beside its text in `lang`, in the other language; "" where it says nothing else.

    >>> other_text({"ru": "Клиент ждёт.", "en": "The client waits."}, "ru")
    'The client waits.'
    """
    words = words_of(written)
    mine, other = (words.ru, words.en) if lang == "ru" else (words.en, words.ru)
    return other if other != mine else ""


def edited(written: object, lang: str, text: str) -> Note | None:
    """Return a note whose reader in `lang` has made `text` of what he saw; None: he left it as it is.

    As with a title, the text of the other language stays: the editor shows it beside. A note that is one text for both
    is replaced whole, since nothing says in which language the old one was; an emptied note is empty in both.

    >>> edited({"ru": "21 день", "en": "21 days"}, "ru", "30 дней")
    {'ru': '30 дней', 'en': '21 days'}
    >>> edited("21 день", "en", "30 days")
    '30 days'
    """
    if text == note_text(written, lang):
        return None
    if not text:
        return ""
    if isinstance(written, dict):
        return {**written, lang: text}
    return text if written else {lang: text}


def joined(first: object, second: object) -> Note:
    """Return the note of two rules that become one: what both say, one below the other, in each language.

    >>> joined("Клиент ждёт.", "Клиент ждёт.")
    'Клиент ждёт.'
    """
    sides = {}
    for lang in ("ru", "en"):
        texts = [note_text(first, lang), note_text(second, lang)]
        sides[lang] = "\n".join(dict.fromkeys(text for text in texts if text))
    return sides["ru"] if sides["ru"] == sides["en"] else sides

"""The nearest known word to a mistyped one."""

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 60


def near(word: object, known: Iterable[str]) -> str | None:
    """Return the known word that was most likely meant, None where none is close.

    >>> near("request.amuont", ["request.amount", "client.region"])
    'request.amount'
    >>> near("amount", ["request.amount"])
    'request.amount'
    """
    if not isinstance(word, str) or not word or len(word) > _LONGEST:
        return None
    words = list(known)
    found = get_close_matches(word, words, n=1, cutoff=0.7)
    if found:
        return found[0]
    tails = {item.rpartition(".")[2]: item for item in reversed(words)}
    found = get_close_matches(word.rpartition(".")[2], tails, n=1, cutoff=0.8)
    return tails[found[0]] if found else None

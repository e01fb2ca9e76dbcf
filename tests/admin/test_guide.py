"""The guide for heads: a page in both languages, with pictures that are there and small."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.admin.conftest import Browser

DOCS = Path(__file__).parents[2] / "docs"
LARGEST = 150_000


@pytest.mark.parametrize("lang", ["ru", "en"])
def test_the_guide_names_pictures_that_exist(lang: str) -> None:
    named = re.findall(r"\]\((img/guide/[^)]+)\)", (DOCS / f"guide-head.{lang}.md").read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if not (DOCS / name).is_file()] == []


def test_its_pictures_are_few_small_and_used() -> None:
    text = "".join((DOCS / f"guide-head.{lang}.md").read_text(encoding="utf-8") for lang in ("ru", "en"))
    pictures = sorted((DOCS / "img/guide").glob("*.png"))
    assert len(pictures) <= 12
    assert [one.name for one in pictures if one.stat().st_size > LARGEST or one.name not in text] == []


def test_heads_read_it_in_their_language_with_its_pictures(logged_in: Callable[[str], Browser]) -> None:
    head = logged_in("galina")
    page = head.get("/guide/").text
    assert "Изменить правило за три минуты" in page and "](" not in page
    picture = re.search(r'src="(/guide/pictures/[^"]+)"', page)
    assert picture
    with head.client.get(picture[1]) as shown:
        assert shown.mimetype == "image/png"
    head.post("/locale", {"locale": "en", "next": ""})
    assert "Change a rule in three minutes" in head.get("/guide/").text
    assert head.get("/guide/pictures/../guide-head.ru.md").status_code == 404
    assert logged_in("anna").get("/guide/").status_code in (403, 404)

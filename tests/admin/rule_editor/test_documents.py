"""Rules as JSON files: out as they are, in with a preview, and whatever is wrong is said and changes nothing."""

import copy
import io
import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.admin.rule_editor.conftest import Editor, two_rules

PATH = "/rules/assignment/bring"
DEEP = b"[" * 10_000 + b"]" * 10_000


def bring(person: Editor, text: str, **more: str) -> TestResponse:
    return person.browser.post(PATH, {"text": text, **more})


def changed(**more: Any) -> str:
    body = copy.deepcopy(two_rules())
    body["rules"][0]["then"][0]["answer_within"] = 10
    return json.dumps({**body, **more}, ensure_ascii=False)


def test_out_and_in_again_changes_nothing(head: Editor) -> None:
    answer = head.browser.get("/rules/assignment/versions/1.json")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="assignment-1.json"'
    assert "Свой клиент" in answer.text and answer.json == two_rules()
    assert "disabled" in bring(head, answer.text).text


def test_what_it_changes_is_shown_first_and_can_be_undone(head: Editor) -> None:
    page = bring(head, changed())
    assert "Изменено «Свой клиент»" in page.text
    assert head.draft() is None
    assert bring(head, changed(), do="put", revision="0").location == "/rules/assignment/draft"
    assert head.body()["rules"][0]["then"][0]["answer_within"] == 10
    head.browser.post("/rules/assignment/draft/undo", {"revision": "2"})
    assert head.body() == two_rules()
    assert head.browser.get("/rules/assignment/draft.json").json == two_rules()


def test_what_was_previewed_is_sent_on_as_large_as_it_came(head: Editor) -> None:
    rules = [{**two_rules()["rules"][1], "id": f"one-{n}", "note": "я" * 2_000} for n in range(95)]
    text = changed(rules=rules, cases=[])
    page = bring(head, changed()).text
    assert page.count('enctype="multipart/form-data"') == 1 and 'value="put"' in page
    sent: dict[str, object] = {"text": text, "do": "put", "revision": "0", "file": (io.BytesIO(b""), "")}
    assert head.browser.post(PATH, sent).status_code == 302


def test_it_does_not_take_the_place_of_what_somebody_did_meanwhile(head: Editor) -> None:
    head.do("action", "own", "/then/0", answer_within="20")
    assert bring(head, changed(), do="put", revision="1").status_code == 409
    assert head.body()["rules"][0]["then"][0]["answer_within"] == 20


def test_a_file_is_read_too(head: Editor) -> None:
    head.browser.get(PATH)
    data: dict[str, object] = {"file": (io.BytesIO(changed().encode("utf-8-sig")), "rules.json")}
    answer = head.browser.post(PATH, data)
    assert "Изменено «Свой клиент»" in answer.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DEEP.decode(), "вложенность"),
        ("[" * 60 + "]" * 60, "нужен объект JSON"),
        (changed(note=json.loads("[" * 60 + "]" * 60)), "вложенность больше 40 уровней"),
        ('{"decision": "assignment", "decision": "bonus"}', "ключ «decision» стоит дважды"),
        ('{"decision": "assignment",', "это не JSON: строка 1, знак"),
        ('{"decision": NaN}', "NaN — не число"),
        ('{"decision": ' + "9" * 5_000 + "}", "слишком длинное число"),
        ("", "файл пуст"),
        ("[]", "нужен объект JSON"),
        (changed(decision="escalation", hit_policy="all"), "правила другого решения"),
        (changed(rules=[{"id": "a b", "title": "x", "when": {}, "then": 5}]), "правило 1 [a b]"),
    ],
)
def test_what_cannot_be_read_is_said_and_changes_nothing(head: Editor, text: str, said: str) -> None:
    answer = bring(head, text)
    assert answer.status_code == 422
    assert said in answer.text
    assert head.draft() is None


def test_another_encoding_is_named(head: Editor) -> None:
    head.browser.get(PATH)
    answer = head.browser.post(PATH, {"file": (io.BytesIO(changed().encode("cp1251")), "rules.json")})
    assert answer.status_code == 422 and "не в кодировке UTF-8" in answer.text


def test_more_than_a_megabyte_is_refused(head: Editor) -> None:
    assert bring(head, "x" * 5_000_000).status_code == 413
    assert bring(head, "x" * 950_000).status_code in (413, 422)


def test_what_is_only_unfinished_comes_in_and_blocks_approval(head: Editor) -> None:
    body = copy.deepcopy(two_rules())
    body["rules"][0]["then"][0]["to"] = {"pool": "team", "team": "closed"}
    page = bring(head, json.dumps(body))
    assert page.status_code == 200 and "Помешает утверждению" in page.text

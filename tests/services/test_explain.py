"""Why this manager, and why not me: read from what was stored, and no more than the reader may see."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from rules_engine import db
from rules_engine.cli import main
from rules_engine.decisions.escalation_warning import WARNING
from rules_engine.errors import NotFound
from rules_engine.models import DecisionDetail, LedgerBalance, Request, RulesetVersion, Task
from rules_engine.services.explain.explain import explain_client, explain_request, explain_task, may_ask_why
from rules_engine.services.records import settings_store
from rules_engine.services.requests.assignment import assign_by_hand, assign_external, decide_and_assign
from rules_engine.services.requests.escalation import look
from rules_engine.settings import Settings
from tests.factories import (
    MONDAY,
    Cast,
    assignment_rules,
    condition,
    escalation_rules,
    make_cast,
    make_client,
    make_mode,
    make_request,
    make_version,
    rule,
)

OWNER = {"action": "assign", "to": {"pool": "owner"}, "answer_within": 15}
OWN = rule("own", condition("client.owner", "is_filled"), OWNER)
BIG = rule("big", condition("request.amount", "ge", "50000.00"), {"action": "assign", "to": {"pool": "everyone"}})


def assigned(session: Session, **more: Any) -> tuple[Cast, Request]:
    cast = make_cast(session)
    make_version(session, "assignment", assignment_rules(BIG, OWN))
    request = make_request(session, **more)
    decide_and_assign(session, request, MONDAY)
    session.flush()
    return cast, request


def words(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {item["field"]: item["words"] for item in items}


class TestRequest:
    def test_it_names_rule_version_facts_and_every_candidate(self, any_session: Session) -> None:
        cast, request = assigned(any_session)

        told = explain_request(any_session, request.id, "ru")

        assert told["request"]["manager"] == "anna"
        assert told["version"] == 1
        assert told["fired"][0]["title"] == "Остальные"
        assert "любой менеджер" in told["fired"][0]["sentence"]
        assert told["sentences"][0].startswith("Заявку получает: Анна.")
        assert [item["login"] for item in told["candidates"]] == ["anna", "boris", "vera"]
        assert [item["place"] for item in told["candidates"]] == [1, 2, 3]
        assert told["candidates"][0]["value"] == "0.00"
        assert words(told["facts"])["request.amount"].startswith("14")
        by_id = {item["id"]: item for item in told["rules"]}
        assert by_id["big"]["why_not"].startswith("сумма:")
        assert by_id["own"]["why_not"].startswith("закреплённый менеджер: ")
        assert cast.anna.id == request.manager_id

    def test_texts_read_as_the_request_has_them_while_it_still_says_the_same(self, session: Session) -> None:
        make_cast(session)
        in_perm = condition("request.city", "is", "Пермь")
        tagged = condition("client.tags", "has_any", ["Архив"])
        make_version(session, "assignment", assignment_rules(rule("perm", in_perm, OWNER), rule("tag", tagged, OWNER)))
        client = make_client(session, tags=["VIP", "Сеть «Лён»"])
        request = make_request(session, client=client, city="Нижний Новгород")
        decide_and_assign(session, request, MONDAY)
        session.flush()

        told = explain_request(session, request.id, "ru")
        client.tags = ["Сеть «Лён»"]
        later = explain_request(session, request.id, "ru")

        stored = {item["field"]: item["value"] for item in told["facts"]}
        assert stored["request.city"] == "нижний новгород"
        assert words(told["facts"])["request.city"] == "Нижний Новгород"
        assert words(told["facts"])["client.tags"] == "VIP, Сеть «Лён»"
        assert words(later["facts"])["client.tags"] == "vip, Сеть «Лён»"
        by_id = {item["id"]: item for item in told["rules"]}
        assert by_id["perm"]["why_not"] == "город: Нижний Новгород; нужно: Пермь"

    def test_it_speaks_english_too(self, session: Session) -> None:
        _, request = assigned(session)

        told = explain_request(session, request.id, "en")

        assert told["sentences"][0].startswith("The request goes to: Анна.")
        assert told["fired"][0]["title"] == "Otherwise"

    def test_the_note_of_the_rule_is_in_the_language_of_the_reader(self, session: Session) -> None:
        cast = make_cast(session)
        note = {"ru": "Отношения стоят денег.", "en": "Relations are worth money."}
        make_version(session, "assignment", assignment_rules({**OWN, "note": note}))
        request = make_request(session, client=make_client(session, owner=cast.anna))
        decide_and_assign(session, request, MONDAY)

        told = {lang: explain_request(session, request.id, lang)["fired"][0]["note"] for lang in ("ru", "en")}

        assert told == note

    def test_it_is_read_and_not_decided_again(self, session: Session) -> None:
        _, request = assigned(session)
        before = explain_request(session, request.id, "ru")
        session.execute(update(LedgerBalance).values(count=50))
        make_version(session, "assignment", assignment_rules(OWN))
        settings_store.change(session, settings_store.ANSWER_WITHIN, 99, actor="denis")

        assert explain_request(session, request.id, "ru") == before

    def test_whose_details_were_pruned_still_tells_the_rule(self, session: Session) -> None:
        _, request = assigned(session)
        session.execute(delete(DecisionDetail))

        told = explain_request(session, request.id, "ru")

        assert told["fired"][0]["id"] == "otherwise"
        assert told["sentences"] == ["Подробности этого решения уже не хранятся."]
        assert told["candidates"] == []

    def test_a_request_that_nobody_has_says_why(self, session: Session) -> None:
        cast = make_cast(session)
        for manager in (cast.anna, cast.boris, cast.vera):
            manager.open_cap = 0
        make_version(session, "assignment", assignment_rules())
        request = make_request(session)
        decide_and_assign(session, request, MONDAY)

        told = explain_request(session, request.id, "ru")

        assert told["sentences"][0] == "Заявку пока никто не может взять; руководителю сообщено."
        assert told["candidates"][0]["reason"] == "open_cap"
        assert told["candidates"][0]["reason_words"] == "открытых заявок: 0, предел: 0"

    def test_by_hand_it_names_the_person_and_his_reason(self, session: Session) -> None:
        cast, request = assigned(session)
        assign_by_hand(session, request, cast.vera, reason="знает клиента", actor="galina", now=MONDAY)

        told = explain_request(session, request.id, "ru")

        assert told["sentences"] == ["Заявку получает: Вера. Решение принял человек: Галина.", "Причина: знает клиента"]
        assert told["version"] is None
        assert [one["decision"] for one in told["decisions"]] == ["assignment", "assignment"]

    def test_with_another_systems_manager_it_says_so_and_what_the_rules_would_have_done(self, session: Session) -> None:
        cast = make_cast(session, live=False)
        make_mode(session, "assignment", "watch")
        make_version(session, "assignment", assignment_rules())
        request = make_request(session)
        assign_external(session, request, cast.vera, assigned_at=MONDAY, actor="system", now=MONDAY)

        told = explain_request(session, request.id, "ru")

        assert told["sentences"] == ["Заявка пришла из другой системы вместе с менеджером: Вера."]
        assert (told["decisions"][0]["mode"], told["decisions"][0]["manager"]) == ("watch", "anna")

    def test_what_was_never_decided_says_so(self, session: Session) -> None:
        make_cast(session)

        assert explain_request(session, make_request(session).id, "ru")["sentences"] == [
            "Решения по этой заявке ещё не было."
        ]

    def test_an_unknown_request_is_not_found(self, session: Session) -> None:
        with pytest.raises(NotFound):
            explain_request(session, 404, "ru")


class TestReader:
    def test_a_manager_reads_no_money_of_his_colleagues(self, session: Session) -> None:
        cast, request = assigned(session)
        request.first_answer_at = MONDAY

        colleague = explain_request(session, request.id, "ru", cast.boris.user)
        holder = explain_request(session, request.id, "ru", cast.anna.user)

        assert {item["value"] for item in colleague["candidates"]} == {None}
        assert {item["login"]: item["value"] for item in holder["candidates"]} == {
            "anna": "0.00",
            "boris": None,
            "vera": None,
        }
        assert {item["count"] for item in colleague["candidates"]} == {0}

    def test_why_not_me_is_answered(self, session: Session) -> None:
        cast, request = assigned(session)

        told = explain_request(session, request.id, "ru", cast.boris.user)

        assert any("ваше место 2 из 3" in sentence for sentence in told["sentences"])

    def test_before_the_first_answer_the_holder_does_not_see_the_amount(self, session: Session) -> None:
        cast, request = assigned(session, amount_minor=4_999_900)

        hidden = explain_request(session, request.id, "ru", cast.anna.user)
        request.first_answer_at = MONDAY + timedelta(minutes=5)
        shown = explain_request(session, request.id, "ru", cast.anna.user)

        assert "49" not in json.dumps(hidden["facts"], ensure_ascii=False)
        assert words(hidden["facts"])["request.amount"] == "скрыто до первого ответа"
        assert hidden["rules"][0]["why_not"] == "сумма: скрыто до первого ответа"
        assert "999" in words(shown["facts"])["request.amount"]

    @pytest.mark.parametrize("key", ["request.amount", "request.expected_value"])
    def test_nothing_in_the_hidden_explanation_gives_the_amount_away(self, session: Session, key: str) -> None:
        cast = make_cast(session)
        probe = rule("probe", condition(key, "ge", "50000.00"), OWNER)
        make_version(session, "assignment", assignment_rules(probe))
        request = make_request(session, amount_minor=4_912_345)
        decide_and_assign(session, request, MONDAY)

        told = json.dumps(explain_request(session, request.id, "ru", cast.anna.user), ensure_ascii=False)

        assert "49123" not in told.replace("\u00a0", "").replace("\\u00a0", "").replace(" ", "")

    def test_another_manager_does_not_see_it_even_after_the_answer(self, session: Session) -> None:
        cast, request = assigned(session)
        request.first_answer_at = MONDAY

        told = explain_request(session, request.id, "ru", cast.boris.user)

        assert words(told["facts"])["request.amount"] == "скрыто до первого ответа"

    def test_the_setting_can_show_it_always(self, session: Session) -> None:
        cast, request = assigned(session)
        settings_store.change(session, settings_store.AMOUNT_SHOWN, "always", actor="denis")

        told = explain_request(session, request.id, "ru", cast.anna.user)

        assert words(told["facts"])["request.amount"].startswith("14")

    def test_who_may_not_know_the_amount_is_not_told_whether_it_is_a_large_one(self, session: Session) -> None:
        cast = make_cast(session)
        make_version(session, "assignment", assignment_rules())
        for place, amount in enumerate((1_000, 1_000, 1_000, 90_000)):
            request = make_request(session, amount_minor=amount)
            decide_and_assign(session, request, MONDAY + timedelta(minutes=place))
            session.flush()
        holder = next(one for one in (cast.anna, cast.boris, cast.vera) if one.id == request.manager_id)

        to_head = " ".join(explain_request(session, request.id, "ru", cast.galina)["sentences"])
        to_holder = " ".join(explain_request(session, request.id, "ru", holder.user)["sentences"])

        assert "не меньше средней за 90 дней" in to_head
        assert "Среди них решает сумма заявки" in to_holder
        assert "средней" not in to_holder

    def test_a_head_sees_everything(self, session: Session) -> None:
        cast, request = assigned(session)

        told = explain_request(session, request.id, "ru", cast.galina)

        assert {item["value"] for item in told["candidates"]} == {"0.00"}

    def test_who_was_weighed_may_ask_for_thirty_days_and_who_was_not_may_not(self, session: Session) -> None:
        cast = make_cast(session)
        make_version(session, "assignment", assignment_rules(pool="everyone"))
        sales = {"otherwise": [{"action": "assign", "to": {"pool": "team", "team": "sales"}}]}
        make_version(session, "assignment", assignment_rules() | sales)
        request = make_request(session)
        decide_and_assign(session, request, MONDAY)

        assert request.manager_id == cast.anna.id
        assert may_ask_why(session, request, cast.boris.id, MONDAY + timedelta(days=29))
        assert not may_ask_why(session, request, cast.boris.id, MONDAY + timedelta(days=31))
        assert may_ask_why(session, request, cast.anna.id, MONDAY + timedelta(days=31))
        assert not may_ask_why(session, request, cast.vera.id, MONDAY)


class TestTaskAndClient:
    def test_a_task_says_why_it_exists(self, session: Session) -> None:
        _, request = assigned(session)
        task = session.scalars(select(Task)).one()

        told = explain_task(session, task.id, "ru")

        assert told["sentences"] == ["Ваша очередь: получено 0 при норме 0,3."]
        assert told["request"]["request"]["id"] == request.id

    def test_a_client_says_whose_he_is(self, session: Session) -> None:
        cast = make_cast(session)
        make_version(session, "assignment", assignment_rules(OWN))
        client = make_client(session, owner=cast.vera)
        request = make_request(session, client=client)
        decide_and_assign(session, request, MONDAY)

        told = explain_client(session, client.id, "ru")

        assert told["sentences"] == ["Закреплённый менеджер: Вера.", "Замещающий: —."]
        assert told["requests"][0]["fired"][0]["id"] == "own"


class TestCommand:
    @pytest.fixture
    def request_id(self, tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> int:
        monkeypatch.setenv("PRAVILA_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("PRAVILA_DATABASE_URL", sqlite_url)
        engine = db.make_engine(sqlite_url)
        with db.transaction(db.make_sessions(engine, Settings.from_env())) as session:
            _, request = assigned(session, external_id="A-7")
        engine.dispose()
        return request.id

    def test_it_prints_words_or_one_document(self, request_id: int) -> None:
        plain = CliRunner().invoke(main, ["explain", "request", str(request_id)])
        as_json = CliRunner().invoke(main, ["explain", "request", "A-7", "--json", "--lang", "en"])

        assert plain.exit_code == 0, plain.output
        assert "Заявку получает: Анна." in plain.stdout
        assert json.loads(as_json.stdout)["request"]["id"] == request_id

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            (["request", "999"], 1),
            (["request", "nonsense"], 1),
            (["task", "nonsense"], 1),
            (["statement", "1"], 1),
            (["weather", "1"], 2),
        ],
    )
    def test_what_there_is_not_is_refused_with_one_line(self, request_id: int, words: list[str], code: int) -> None:
        answer = CliRunner().invoke(main, ["explain", *words])

        assert answer.exit_code == code
        if code == 1:
            assert len(answer.stderr.splitlines()) == 1


def test_a_rule_is_told_as_it_was_published(session: Session) -> None:
    _, request = assigned(session)
    version = session.scalars(select(RulesetVersion)).one()

    told = explain_request(session, request.id, "ru")

    assert told["version"] == version.number
    assert told["rules"][0]["sentence"].startswith("Если сумма:")


def test_the_warning_before_a_transfer_is_named_in_words(session: Session) -> None:
    _, request = assigned(session)
    away = {"action": "reassign", "to": {"pool": "everyone"}}
    late = rule("late", condition("request.working_minutes_since_assigned", "ge", 15), away)
    make_version(session, "escalation", escalation_rules(late))
    session.flush()

    look(session, request, MONDAY + timedelta(minutes=12))

    (fired,) = explain_request(session, request.id, "ru")["decisions"][-1]["fired"]
    assert (fired["id"], fired["title"], fired["sentence"]) == (WARNING, "Скоро перейдёт к другому менеджеру", "")


def test_the_other_rules_of_an_escalation_say_why_not(session: Session) -> None:
    _, request = assigned(session)
    waits = rule("waits", condition("request.working_minutes_since_assigned", "ge", 15), {"action": "remind"})
    longer = rule("longer", condition("request.working_minutes_since_assigned", "ge", 60), {"action": "remind"})
    make_version(session, "escalation", escalation_rules(waits, longer))
    session.flush()

    look(session, request, MONDAY + timedelta(minutes=20))

    first, second = explain_request(session, request.id, "ru")["decisions"][-1]["rules"]
    assert (first["id"], first["matched"], first["acted"]) == ("waits", True, True)
    assert (second["matched"], second["acted"]) == (False, False)
    assert second["why_not"] == "с распределения: 20\u00a0рабочих мин; нужно: не менее 60\u00a0рабочих мин"

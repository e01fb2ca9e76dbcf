"""What protects every page: form tokens, headers, the read-only time, the size of a body."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from admin.base import installation_state
from admin.security import SAFE_METHODS
from rules_engine import db
from rules_engine.models import Replay, Team
from tests.admin.conftest import Browser
from tests.factories import MONDAY, Cast


class TestTokens:
    def test_every_form_route_refuses_a_post_without_a_token(
        self, app: Flask, logged_in: Callable[[str], Browser]
    ) -> None:
        denis = logged_in("denis")
        for rule in app.url_map.iter_rules():
            if not rule.methods - SAFE_METHODS or rule.rule.startswith("/api/") or "<" in rule.rule:
                continue
            answer = denis.client.post(rule.rule, data={})
            assert answer.status_code in (400, 403), rule.rule

    def test_a_token_of_another_session_does_not_fit(self, logged_in: Callable[[str], Browser]) -> None:
        galina, denis = logged_in("galina"), logged_in("denis")

        answer = denis.client.post("/locale", data={"csrf_token": galina.token, "locale": "en"})

        assert answer.status_code == 400
        assert "Форма устарела" in answer.text


class TestRefusals:
    @pytest.mark.parametrize(
        ("locale", "title", "text"),
        [
            ("ru", "Такого действия здесь нет", "Вернитесь назад и нажмите ещё раз."),
            ("en", "There is no such action here", "Go back and press again."),
        ],
    )
    def test_what_only_a_button_does_is_refused_in_the_readers_words(
        self, logged_in: Callable[[str], Browser], locale: str, title: str, text: str
    ) -> None:
        galina = logged_in("galina")
        galina.post("/locale", {"locale": locale, "next": "/"})
        requests = [galina.client.get("/locale"), galina.client.put("/my/")]
        assert [answer.status_code for answer in requests] == [405, 405]
        for answer in requests:
            assert title in answer.text and text in answer.text
            assert "Method Not Allowed" not in answer.text


class TestHeaders:
    def test_the_policy_allows_our_own_files_and_nothing_inline(self, browser: Browser) -> None:
        policy = browser.get("/login").headers["Content-Security-Policy"]

        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert re.search(r"script-src 'self' 'nonce-[\w-]{20,}'", policy)

    def test_a_nonce_is_used_once(self, browser: Browser) -> None:
        first, second = (browser.get("/login").headers["Content-Security-Policy"] for _ in range(2))

        assert first != second

    def test_pages_are_not_guessed_at_not_kept_and_not_told_about(self, browser: Browser) -> None:
        headers = browser.get("/login").headers

        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
        assert "Strict-Transport-Security" not in headers

    def test_behind_tls_the_browser_is_told_to_stay_there(self, browser: Browser) -> None:
        answer = browser.client.get("/login", base_url="https://localhost")

        assert "max-age" in answer.headers["Strict-Transport-Security"]

    def test_no_page_fetches_anything_from_outside(self, logged_in: Callable[[str], Browser], app: Flask) -> None:
        denis = logged_in("denis")
        for rule in app.url_map.iter_rules():
            if "GET" not in rule.methods or "<" in rule.rule:
                continue
            text = denis.client.get(rule.rule).text
            assert not re.search(r"(?:src|href|action)=[\"'](?:https?:)?//", text), rule.rule
            assert not re.search(r"\son\w+=[\"']|javascript:|\sstyle=[\"']|<style", text), rule.rule


class TestWhileTheHistoryIsFilled:
    def fill(self, sessions: sessionmaker[Session]) -> None:
        until, clock_at = MONDAY + timedelta(days=10), MONDAY + timedelta(days=4)
        with db.transaction(sessions) as session:
            session.add(Replay(from_at=MONDAY, until_at=until, clock_at=clock_at, totals={}))

    def test_pages_show_how_far_it_is(
        self, logged_in: Callable[[str], Browser], sessions: sessionmaker[Session]
    ) -> None:
        galina = logged_in("galina")
        self.fill(sessions)

        page = galina.get("/")

        assert page.status_code == 200
        assert 'value="40" max="100"' in page.text
        with sessions() as session:
            state = installation_state(session)
            assert state is not None
            assert state.percent == 40

    def test_changes_are_refused_in_words(
        self, logged_in: Callable[[str], Browser], sessions: sessionmaker[Session]
    ) -> None:
        galina = logged_in("galina")
        self.fill(sessions)

        answer = galina.post("/admin/teams/new/", {"name": "Запад", "code": "west"})

        assert answer.status_code == 503
        assert "вернитесь и отправьте ещё раз" in answer.text
        with sessions() as session:
            assert session.scalars(select(Team).where(Team.code == "west")).all() == []

    def test_one_can_still_log_in(self, browser: Browser, cast: Cast, sessions: sessionmaker[Session]) -> None:
        self.fill(sessions)

        assert browser.log_in("galina").status_code == 302


def test_a_number_that_no_row_can_have_finds_nothing(app: Flask, logged_in: Callable[[str], Browser]) -> None:
    galina, far = logged_in("galina"), 10**30
    paths = {rule.rule for rule in app.url_map.iter_rules() if rule.methods and "GET" in rule.methods}
    numbered = {re.sub("<int:[a-z_]+>", str(far), path) for path in paths if "<int:" in path and "/api/" not in path}

    assert numbered
    assert {galina.get(path).status_code for path in numbered if "<" not in path} == {404}
    for path in (
        f"/messages/?before={far}", f"/overdue/?before={far}", f"/clients/?owner={far}", "/clients/?after=²",
        "/requests/?after=--1.1", "/payments/?after=--1.1", "/admin/teams/?endpoint=x&export_type=y",
    ):  # fmt: skip
        assert galina.get(path).status_code != 500, path


def test_a_body_over_a_megabyte_is_refused(logged_in: Callable[[str], Browser]) -> None:
    answer = logged_in("galina").post("/locale", {"locale": "x" * 1_200_000})

    assert answer.status_code == 413

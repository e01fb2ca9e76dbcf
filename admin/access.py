"""Who may open what: one table of endpoint x role x own or all. The guard reads it, and so does a generated test.

An endpoint that is missing here answers 404 to everybody and fails the suite. Everybody may open what is PUBLIC;
what is BY_TOKEN checks a bearer token by itself (admin/api). For the rest a row says for each role whether it sees
ALL, or OWN things only: a view under OWN must answer 404 for what is not the viewer's.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from rules_engine.models import Role


class Scope(StrEnum):
    OWN = "own"
    ALL = "all"


class Open(StrEnum):
    PUBLIC = "public"
    BY_TOKEN = "by_token"


Row = Open | Mapping[Role, Scope]

ADMINISTRATOR, HEAD, MANAGER, AUDITOR = Role.ADMINISTRATOR, Role.HEAD, Role.MANAGER, Role.AUDITOR


def all_of(*roles: Role, own: tuple[Role, ...] = ()) -> Row:
    """Return a row: `roles` see everything, `own` only what is theirs."""
    return MappingProxyType({**dict.fromkeys(roles, Scope.ALL), **dict.fromkeys(own, Scope.OWN)})


EVERYONE = all_of(ADMINISTRATOR, HEAD, MANAGER, AUDITOR)
READS_ALL = all_of(ADMINISTRATOR, HEAD, AUDITOR)
READS_ALL_OR_OWN = all_of(ADMINISTRATOR, HEAD, AUDITOR, own=(MANAGER,))
HEADS = all_of(HEAD, ADMINISTRATOR)
HEADS_OR_OWN = all_of(HEAD, ADMINISTRATOR, own=(MANAGER,))
ADMINISTRATORS = all_of(ADMINISTRATOR)


def reference(endpoint: str, *, read: Row, write: Row | None = None) -> dict[str, Row]:
    """Return the rows of a Flask-Admin view; without `write` its form endpoints are open to nobody."""
    nobody = all_of()
    rows = {f"{endpoint}.{name}": read for name in ("index_view", "details_view", "export")}
    rows |= {f"{endpoint}.{name}": write or nobody for name in ("create_view", "edit_view", "delete_view")}
    # Bulk actions skip the audit, look-ups and inline edits are not used: closed in every view.
    return rows | {f"{endpoint}.{name}": nobody for name in ("action_view", "ajax_lookup", "ajax_update")}


TABLE: dict[str, Row] = {
    "static": Open.PUBLIC,
    "htmx.static": Open.PUBLIC,
    # login.py
    "login.login": Open.PUBLIC,
    "login.locale": Open.PUBLIC,
    "login.logout": EVERYONE,
    "login.password": EVERYONE,
    # home.py
    "home.home": EVERYONE,
    # my_tasks.py, requests.py, clients.py
    "my.index": HEADS_OR_OWN,
    "my.add": HEADS_OR_OWN,
    "my.complete": HEADS_OR_OWN,
    "my.postpone": HEADS_OR_OWN,
    "requests.index": READS_ALL_OR_OWN,
    "requests.page": READS_ALL_OR_OWN,
    "requests.why": READS_ALL_OR_OWN,
    "requests.contact": HEADS_OR_OWN,
    "requests.status": HEADS_OR_OWN,
    "line.ask": HEADS_OR_OWN,
    "requests.reassign": HEADS,
    "requests.correct": HEADS,
    "requests.suggested_client": HEADS_OR_OWN,
    "clients.index": READS_ALL_OR_OWN,
    "clients.client": READS_ALL_OR_OWN,
    "clients.do_not_call": HEADS_OR_OWN,
    "clients.consent": HEADS_OR_OWN,
    # why.py
    "why.client": READS_ALL_OR_OWN,
    "why.call": READS_ALL_OR_OWN,
    "why.task": READS_ALL_OR_OWN,
    "why.statement": READS_ALL_OR_OWN,
    # overdue_actions.py
    "overdue.index": READS_ALL_OR_OWN,
    "overdue.confirm": HEADS,
    "overdue.decline": HEADS,
    "overdue.end": HEADS,
    **reference("client_cards", read=READS_ALL, write=HEADS),
    # otherwise.py
    "otherwise.index": READS_ALL,
    # control.py
    "control.index": READS_ALL,
    "control.processed": READS_ALL,
    "control.behind": READS_ALL,
    "control.fairness": READS_ALL,
    "control.calls": READS_ALL,
    "control.export": READS_ALL,
    # payments.py, plans.py
    "payments.index": READS_ALL,
    "payments.page": READS_ALL,
    "payments.resolve": HEADS,
    "payments.credits": HEADS,
    "plans.index": READS_ALL,
    "plans.plan": READS_ALL,
    "plans.change": HEADS,
    # bonus.py
    "bonus.mine": HEADS_OR_OWN,
    "bonus.index": READS_ALL,
    "bonus.step": HEADS,
    "bonus.statement": READS_ALL_OR_OWN,
    "bonus.behind": READS_ALL_OR_OWN,
    "bonus.export": READS_ALL_OR_OWN,
    "bonus.export_period": READS_ALL,
    # reference.py, records.py
    "admin.index": READS_ALL,
    "admin.static": all_of(),  # Flask-Admin's own theme and scripts: not used
    **reference("teams", read=READS_ALL, write=HEADS),
    **reference("managers", read=READS_ALL, write=HEADS),
    **reference("calendars", read=READS_ALL, write=HEADS),
    **reference("exceptions", read=READS_ALL, write=HEADS),
    **reference("absences", read=READS_ALL, write=HEADS),
    # presence.py
    **reference("duty", read=READS_ALL, write=HEADS),
    "roster.page": READS_ALL,
    # departures.py
    "departures.index": READS_ALL,
    "departures.away": READS_ALL,
    "departures.confirm_away": HEADS,
    "departures.leaving_page": READS_ALL,
    "departures.leave": HEADS,
    "departures.cancel": HEADS,
    # calendar_year.py
    "year.index": READS_ALL,
    "year.page": READS_ALL,
    "year.change": HEADS,
    "year.preview": HEADS,
    "year.bring": HEADS,
    **reference("request_rows", read=READS_ALL),
    **reference("task_rows", read=READS_ALL),
    **reference("version_rows", read=READS_ALL),
    **reference("decision_rows", read=READS_ALL),
    # users.py, journal.py, outbox.py
    **reference("users", read=READS_ALL, write=ADMINISTRATORS),
    "users.password": ADMINISTRATORS,
    **reference("tokens", read=all_of(ADMINISTRATOR, AUDITOR), write=ADMINISTRATORS),
    "tokens.revoke": ADMINISTRATORS,
    **reference("journal", read=READS_ALL),
    **reference("outbox", read=READS_ALL),
    "outbox.send_again": HEADS,
    # jobs.py, settings.py, messages.py
    "jobs.index": READS_ALL,
    "jobs.release": HEADS,
    "jobs.retry": HEADS,
    "jobs.send_again": HEADS,
    "jobs.resolve": ADMINISTRATORS,
    "settings.index": READS_ALL,
    "settings.save": HEADS,
    "settings.add_reason": HEADS,
    "messages.index": EVERYONE,
    "messages.bell": EVERYONE,
    "messages.latest": EVERYONE,
    "messages.read": EVERYONE,
    "messages.read_one": EVERYONE,
    "messages.follow": EVERYONE,
    "messages.send_again": EVERYONE,
    # me.py
    "me.messages": EVERYONE,
    "me.save": EVERYONE,
    "me.test": EVERYONE,
    # api/: each operation asks for a token with its scope
    "api.receive_request": Open.BY_TOKEN,
    "api.change_request": Open.BY_TOKEN,
    "api.change_request_by_key": Open.BY_TOKEN,
    "api.list_requests": Open.BY_TOKEN,
    "api.read_request": Open.BY_TOKEN,
    "api.explain_request": Open.BY_TOKEN,
    "api.record_request_contact": Open.BY_TOKEN,
    "api.change_status": Open.BY_TOKEN,
    "api.record_contact": Open.BY_TOKEN,
    "api.put_client": Open.BY_TOKEN,
    "api.book_payment": Open.BY_TOKEN,
    "api.list_tasks": Open.BY_TOKEN,
    "api.complete_task": Open.BY_TOKEN,
    "api.postpone_task": Open.BY_TOKEN,
    "api.read_bonuses": Open.BY_TOKEN,
    "api.openapi": Open.PUBLIC,
    "probes.healthz": Open.PUBLIC,
    "probes.readyz": Open.PUBLIC,
    "probes.metrics": Open.PUBLIC,
    # rule_editor/, modes.py
    "rules.index": READS_ALL,
    "rules.read": READS_ALL,
    "rules.table": READS_ALL,
    "rules.table_file": READS_ALL,
    "rules.draft_table": HEADS,
    "rules.draft_table_file": HEADS,
    "rules.table_change": HEADS,
    "rules.paste": HEADS,
    "rules.regulation": EVERYONE,
    "guide.page": READS_ALL,
    "guide.picture": READS_ALL,
    "rules.trial": READS_ALL,
    "rules.cases": READS_ALL,
    "rules.history": READS_ALL,
    "rules.version": READS_ALL,
    "rules.compare_versions": READS_ALL,
    "rules.start": HEADS,
    "rules.draft": HEADS,
    "rules.change": HEADS,
    "rules.bonus_beside": HEADS,
    "rules.bonus_whole": HEADS,
    "rules.count": HEADS,
    "rules.findings": HEADS,
    "rules.intend": HEADS,
    "rules.unintend": HEADS,
    "rules.undo": HEADS,
    "rules.redo": HEADS,
    "rules.presence": HEADS,
    "rules.approval": READS_ALL,
    "rules.version_file": READS_ALL,
    "rules.draft_file": HEADS,
    "rules.bring": HEADS,
    "rules.send": HEADS,
    "rules.withdraw": HEADS,
    "rules.approve": HEADS,
    "rules.reject": HEADS,
    "rules.take_back": HEADS,
    "rules.rebase": HEADS,
    "rules.impact_page": READS_ALL,
    "rules.impact_state": READS_ALL,
    "rules.impact_file": READS_ALL,
    "rules.ask_impact": HEADS,
    "rules.cancel_impact": HEADS,
    "rules.discard": HEADS,
    "rules.restore": HEADS,
    "modes.show": READS_ALL,
    "modes.change": HEADS,
}


def row_of(endpoint: str) -> Row | None:
    """Return the row of an endpoint; None: it has none, and nobody may open it."""
    return TABLE.get(endpoint)


def scope_of(endpoint: str, role: Role) -> Scope | None:
    """Return what `role` sees behind an endpoint; None: nothing. Public endpoints show everything."""
    row = row_of(endpoint)
    if row is None or row is Open.BY_TOKEN:
        return None
    return Scope.ALL if isinstance(row, Open) else row.get(role)


def may(endpoint: str, role: Role) -> bool:
    """Return whether `role` may open an endpoint: menus and buttons ask this before they show a link."""
    return scope_of(endpoint, role) is not None

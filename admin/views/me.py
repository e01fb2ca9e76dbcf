"""What a person sets for himself: by which ways his messages reach him, and when."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from flask import Blueprint, Flask, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from admin.api.limits import Limiter
from admin.base import commit_and_wake, db_session, shell
from admin.language import language
from admin.security import viewer
from rules_engine import clock
from rules_engine.errors import DeliveryError, InputError
from rules_engine.models import User
from rules_engine.services.messages import addresses, own_messages
from rules_engine.services.messages.outbox import EMAIL, URL, Letter, Sender
from rules_engine.services.messages.own_messages import Wishes
from rules_engine.services.messages.senders import make_senders

TESTS_A_MINUTE = 3

blueprint = Blueprint("me", __name__, url_prefix="/me")


@blueprint.get("/messages")
def messages() -> ResponseReturnValue:
    return _page({}, {})


@blueprint.post("/messages")
def save() -> ResponseReturnValue:
    """Save all of the form or nothing. Addresses that were typed are not shown again, even where one is wrong."""
    digest = request.form.get("digest_minutes", "0")
    wishes = Wishes(
        by_mail="by_mail" in request.form,
        after_hours="after_hours" in request.form,
        digest_minutes=int(digest) if digest.isascii() and digest.isdigit() and len(digest) < 6 else -1,
        added=request.form.get("urls", ""),
        removed=request.form.getlist("remove"),
    )
    try:
        own_messages.change(db_session(), viewer().user, wishes)
    except InputError as problem:
        db_session().rollback()
        return _page(request.form, {problem.path: str(problem.data[language()])}), 422
    commit_and_wake()
    flash(_("Saved."), "good")
    return redirect(url_for("me.messages"))


@blueprint.post("/messages/test")
def test() -> ResponseReturnValue:
    """Send a test message by every way that is switched on, past the outbox, and say what became of each."""
    limiter: Limiter = current_app.extensions["pravila_limiter"]
    if limiter.is_exceeded(f"test-message:{viewer().user.id}", TESTS_A_MINUTE, clock.now()):
        flash(_("That was sent a moment ago. Wait a minute, then try again."), "warn")
        return redirect(url_for("me.messages"))
    letters = _test_letters(viewer().user)
    # On SQLite nobody could write while a service thinks.
    db_session().commit()
    senders = make_senders(shell().settings)
    with ThreadPoolExecutor(max_workers=len(letters) or 1) as pool:
        outcomes = list(pool.map(lambda named: _sent(senders.get(named[1].channel), named[1]), letters))
    for (name, _letter), problem in zip(letters, outcomes, strict=True):
        if problem is None:
            flash(_("%(name)s: sent. Look whether it has come.", name=name), "good")
        else:
            flash(f"{name}: {problem.message(language())}", "bad")
    if not letters:
        flash(_("There is no way to send it by: switch mail on or add an address."), "warn")
    return redirect(url_for("me.messages"))


def _test_letters(user: User) -> list[tuple[str, Letter]]:
    """Return a letter for each way, with the name that people know it by."""
    secret, may_be_private = shell().settings.secret_key, own_messages.may_be_private(db_session())
    ways = [(user.email, EMAIL, user.email, "")] if user.notify_by_mail and user.email else []
    ways += [(addresses.shown(url, secret).label, URL, "", url) for url in user.notify_urls]
    key = f"test:{uuid4().hex}"
    return [
        (
            name,
            Letter(
                key=f"{key}:{place}",
                address=address,
                subject=_("A test message"),
                body=_("If you read this, messages of Pravila reach you here."),
                link=url_for("me.messages"),
                locale=user.locale,
                channel=channel,
                message_ids=(),
                url=url,
                may_be_private=may_be_private,
            ),
        )
        for place, (name, channel, address, url) in enumerate(ways)
    ]


def _sent(sender: Sender | None, letter: Letter) -> DeliveryError | None:
    """Return why a letter did not go, None if it did."""
    if sender is None:
        return NoMailServer()
    try:
        sender(letter)
    except DeliveryError as problem:
        return problem
    return None


class NoMailServer(DeliveryError):
    """The installation has no mail server to send by."""

    template = {"ru": "почта в этой системе не настроена", "en": "mail is not set up in this installation"}

    def __init__(self) -> None:
        super().__init__(reason="", permanent=True)


def _page(typed: Mapping[str, str], problems: dict[str, str]) -> str:
    user, secret = viewer().user, shell().settings.secret_key
    return render_template(
        "me_messages.html",
        user=user,
        shown=[addresses.shown(url, secret) for url in user.notify_urls],
        most=addresses.MOST,
        digests=own_messages.DIGESTS,
        by_mail="by_mail" in typed if typed else user.notify_by_mail,
        after_hours="after_hours" in typed if typed else user.notify_after_hours,
        digest_minutes=typed.get("digest_minutes", str(user.digest_minutes)),
        problems=problems,
        has_mail_server=bool(shell().settings.smtp_url),
    )


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)

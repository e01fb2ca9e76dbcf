"""When something is to hold from, as the forms ask it: now, or from an instant in the business zone."""

from datetime import datetime

from flask import request

from admin.views.rule_editor.room import Room
from admin.views.rule_editor.wording import _


def chosen_instant(here: Room) -> tuple[datetime | None, str]:
    """Return the instant chosen in the form, None for now; and what is wrong with it, "" for nothing."""
    if request.form.get("when", "now") != "later":
        return None, ""
    text = request.form.get("at", "").strip()
    if not text:
        return None, _("Say from when it is to hold.")
    try:
        at = here.reader.instant(text)
    except ValueError:
        return None, _("A date and a time are needed.")
    if at < here.now:
        return None, _("This instant is over: choose a later one, or now.")
    return at, ""

"""In whose words a page speaks, and how it writes money, instants and durations: by Babel, in the business zone."""

import logging
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from babel import Locale
from babel.dates import format_date, format_datetime, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, get_currency_symbol
from flask import Flask, request, session
from flask_babel import Babel, get_locale, ngettext
from flask_babel import gettext as _
from flask_login import current_user
from markupsafe import Markup, escape

from admin.base import request_now, shell

log = logging.getLogger(__name__)

LANGUAGES = ("ru", "en")
NBSP = "\u00a0"
_CYRILLIC = re.compile("[А-Яа-яЁё]")


def select_locale() -> str:
    """Return the viewer's language; before login the one chosen on the login page, else the installation's."""
    # Not for static files: asking who is logged in costs a query.
    if request.endpoint not in ("static", "htmx.static") and current_user.is_authenticated:
        kept: str = current_user.user.locale
    else:
        kept = session.get("locale", "")
    return kept if kept in LANGUAGES else shell().settings.locale


def language() -> str:
    """Return `ru` or `en`: for texts that are stored in both, and for the messages of errors."""
    locale = get_locale()
    return locale.language if locale is not None and locale.language in LANGUAGES else "en"


def words(text: Mapping[str, Any] | str | None) -> str:
    """Return a stored {"ru", "en"} text in the viewer's language; a plain string as it is."""
    if text is None:
        return ""
    if isinstance(text, str):
        return text
    return str(text.get(language()) or text.get("en") or text.get("ru") or "")


def is_foreign(text: str) -> bool:
    """Return whether a text is Russian on a page that is not; names in Latin letters are of every language."""
    return language() != "ru" and _CYRILLIC.search(text) is not None


def _locale() -> Locale:
    return get_locale() or Locale.parse("en")


def local(instant: datetime) -> datetime:
    """Return an instant in the business zone."""
    return instant.astimezone(shell().settings.zone)


def money(minor: int | None) -> str:
    """Return kopecks as `1 500 000,50 ₽`; whole roubles without kopecks; None as a dash."""
    if minor is None:
        return "—"
    pattern = "#,##0" if minor % 100 == 0 else "#,##0.00"
    number = format_decimal(Decimal(minor) / 100, format=pattern, locale=_locale())
    # Its Russian sign in both languages: English text would say "RUB 1,500".
    return f"{number}{NBSP}{get_currency_symbol(shell().settings.currency, 'ru')}"


def number(value: Any, digits: int = 0) -> str:
    """Return a count or a fraction with `digits` decimals, grouped as the language does."""
    if hasattr(value, "numerator") and not isinstance(value, int):
        value = Decimal(value.numerator) / Decimal(value.denominator)
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return format_decimal(value, format=pattern, locale=_locale())


def signed(value: Any, digits: int = 1) -> str:
    """Return a difference with its sign: `+1,2`, `−0,5`, `0`."""
    text = number(abs(value), digits)
    if not text.strip("0.,"):
        return "0"
    return ("+" if value > 0 else "−") + text


def percent(part: int, whole: int) -> str:
    """Return `part` of `whole` in whole per cent, rounded down; a dash when there is nothing to share."""
    return f"{number(100 * part // whole)}{NBSP}%" if whole else "—"


def clock_time(instant: datetime | None) -> str:
    return "" if instant is None else format_time(local(instant), "HH:mm", locale=_locale())


def day(value: datetime | date | None, pattern: str = "d MMMM") -> str:
    """Return a date in words; the year only when it is another one."""
    if value is None:
        return "—"
    found = local(value).date() if isinstance(value, datetime) else value
    if found.year != local(request_now()).year:
        pattern += " y"
    return format_date(found, pattern, locale=_locale())


def weekday_date(instant: datetime) -> str:
    """Return `Вторник, 24 ноября`."""
    text = format_date(local(instant).date(), "EEEE, d MMMM", locale=_locale())
    return text[:1].upper() + text[1:]


def moment(instant: datetime | None) -> str:
    """Return an instant as short as it stays clear: `14:05` today, `завтра 14:05`, `24 нояб. 14:05`, with the year."""
    if instant is None:
        return "—"
    here, today = local(instant), local(request_now()).date()
    time = clock_time(instant)
    distance = (here.date() - today).days
    if distance == 0:
        return time
    if distance == 1:
        return str(_("tomorrow %(time)s", time=time)).replace(" ", NBSP)
    if distance == -1:
        return str(_("yesterday %(time)s", time=time)).replace(" ", NBSP)
    return f"{day(instant, 'd MMM')} {time}".replace(" ", NBSP)


def full_moment(instant: datetime) -> str:
    return format_datetime(local(instant), "d MMMM y, HH:mm:ss", locale=_locale())


def when(instant: datetime | None) -> Markup:
    """Return a `time` element: the short form, the whole one on hover, the exact one for programs."""
    if instant is None:
        return Markup("—")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        local(instant).isoformat(), full_moment(instant), moment(instant)
    )


def minutes(count: int | None) -> str:
    """Return a duration as `2 дн. 3 ч`, `1 ч 20 мин`, `48 мин`."""
    if count is None:
        return "—"
    days, rest = divmod(abs(count), 24 * 60)
    return _duration(days, *divmod(rest, 60))


def worked(count: int) -> str:
    """Return working minutes as `32 ч 20 мин`: a day of them would not be one of 24 hours."""
    return _duration(0, *divmod(abs(count), 60))


def _duration(days: int, hours: int, left: int) -> str:
    parts = []
    if days:
        parts.append(_("%(n)s d", n=number(days)))
    if hours:
        parts.append(_("%(n)s h", n=number(hours)))
    if (left and not days) or not parts:
        parts.append(_("%(n)s min", n=left))
    return NBSP.join(part.replace(" ", NBSP) for part in parts)


def span_minutes(start: datetime, end: datetime) -> str:
    """Return the whole minutes between two instants as a duration."""
    return minutes((end - start) // timedelta(minutes=1))


def phone_text(normalized: str) -> str:
    """Return +79991234567 as `+7 999 123-45-67`; other numbers as they are."""
    digits = normalized.removeprefix("+")
    if normalized.startswith("+7") and len(digits) == 11 and digits.isdigit():
        text = f"+7 {digits[1:4]} {digits[4:7]}-{digits[7:9]}-{digits[9:]}"
        return text.replace(" ", NBSP).replace("-", "\u2011")
    return normalized


def lines(text: str) -> Markup:
    """Return plain text with its line breaks kept."""
    return Markup("<br>").join(escape(line) for line in text.splitlines())


def compile_catalogues(folder: Path) -> None:
    """Compile the catalogues that were changed since, as in a working copy; an installed package has them compiled."""
    for source in folder.glob("*/LC_MESSAGES/*.po"):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime - 2:
            continue
        try:
            with source.open("rb") as stream:
                catalogue = read_po(stream)
            with NamedTemporaryFile(dir=target.parent, delete=False) as fresh:
                write_mo(fresh, catalogue)
            # At once: another process may be reading it.
            Path(fresh.name).chmod(0o644)
            Path(fresh.name).replace(target)
        except OSError:
            log.warning("catalogue_not_compiled", extra={"catalogue": str(source)})


def init_app(app: Flask) -> None:
    compile_catalogues(Path(app.root_path) / "translations")
    app.config["BABEL_DEFAULT_TIMEZONE"] = app.extensions["pravila"].settings.timezone
    Babel(app, locale_selector=select_locale)
    filters = {
        "words": words, "money": money, "number": number, "signed": signed, "when": when, "moment": moment,
        "weekday_date": weekday_date,
        "capfirst": lambda text: text[:1].upper() + text[1:],
        "clock_time": clock_time, "day": day, "minutes": minutes, "worked": worked, "phone": phone_text, "lines": lines,
    }  # fmt: skip
    app.jinja_env.filters.update(filters)
    app.jinja_env.tests["foreign"] = is_foreign
    app.jinja_env.globals.update(
        percent=percent, span_minutes=span_minutes, ngettext=ngettext, language=language, LANGUAGES=LANGUAGES
    )

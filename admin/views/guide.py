"""The guide for heads of sales, as the documentation has it, in the language of whoever reads it."""

from pathlib import Path
from typing import Final

from flask import Blueprint, Flask, abort, render_template, send_from_directory, url_for
from flask.typing import ResponseReturnValue
from markdown import markdown  # type: ignore[import-untyped]  # it ships no types
from markupsafe import Markup

from admin.language import language

blueprint = Blueprint("guide", __name__, url_prefix="/guide")

_INSTALLED: Final = Path(__file__).parents[1] / "guide"
"""Where a wheel has it; a checkout has it in docs/."""
_CHECKOUT: Final = Path(__file__).parents[2] / "docs"
_PICTURES: Final = "img/guide/"


@blueprint.get("/")
def page() -> ResponseReturnValue:
    file = _folder() / f"guide-head.{language()}.md"
    if not file.is_file():
        abort(404)
    text = file.read_text(encoding="utf-8")
    title, _newline, rest = text.partition("\n")
    # The last line points at the reference for developers, which is no page.
    shown = rest.rpartition("\n\n")[0].replace(f"]({_PICTURES}", f"]({url_for('guide.picture')}")
    return render_template("guide.html", heading=title.removeprefix("# "), text=Markup(markdown(shown)))


@blueprint.get("/pictures/", defaults={"name": "-"})
@blueprint.get("/pictures/<name>")
def picture(name: str) -> ResponseReturnValue:
    return send_from_directory(_folder() / _PICTURES, name)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


def _folder() -> Path:
    return _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT

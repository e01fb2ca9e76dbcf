"""The room of the rule editor: reading, editing, trying, publishing, history."""

from typing import Final

from flask import Flask

from admin.views.rule_editor import (
    approval,
    bonus_operations,
    case_pages,
    documents,
    drafting,
    history,
    impact,
    live,
    pages,
    pasting,
    regulation,
    sentences,
    stepping,
    table,
    trying_pages,
)

MODULES: Final = (
    pages,
    trying_pages,
    case_pages,
    drafting,
    stepping,
    approval,
    history,
    documents,
    impact,
    live,
    table,
    pasting,
    regulation,
    bonus_operations,
)
"""Each adds its pages to the one blueprint when it is imported."""


def init_app(app: Flask) -> None:
    app.register_blueprint(pages.blueprint)
    app.jinja_env.filters["spoken"] = sentences.spoken

"""The first page after login, by role."""

from flask import Blueprint, Flask, render_template
from flask.typing import ResponseReturnValue

blueprint = Blueprint("home", __name__)


@blueprint.get("/")
def home() -> ResponseReturnValue:
    return render_template("home.html")


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)

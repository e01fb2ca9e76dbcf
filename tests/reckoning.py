"""An impact reckoned at once by its reckoner, without workers."""

from collections.abc import Callable

from sqlalchemy.orm import Session

from rules_engine.services.impact.parts import Budget, Json, Question, Reckoner, whole_of


def reckon(
    session: Session,
    reckoner: Reckoner,
    question: Question,
    *,
    most: int | None = None,
    parts: int = 1,
    before_each: Callable[[], None] = lambda: None,
) -> tuple[Json, list[Json]]:
    """Return result and changes, by slices of `most` subjects; `before_each` is called before each slice."""
    states, changes = [], []
    for state in reckoner.beginnings(session, question, parts):
        is_over = False
        while not is_over:
            before_each()
            found = reckoner.step(session, question, state, Budget(3600, most))
            state, is_over = found.state, found.is_over
            changes += found.changes
        states.append(state)
    return reckoner.result(session, question, whole_of(states)), changes

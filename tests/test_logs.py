"""A line of the log: a static event name and ids, as text or as JSON."""

import json
import logging
import sys

from rules_engine.logs import JsonLines, TextLines


def record(**extra: object) -> logging.LogRecord:
    made = logging.getLogger("workers.schedule").makeRecord(
        "workers.schedule", logging.WARNING, __file__, 1, "redis_is_away", (), None, extra=extra
    )
    made.created = 1_791_188_400.0
    return made


def test_text_is_one_line_with_the_event_and_its_ids() -> None:
    line = TextLines().format(record(request_id=17))
    assert line == "2026-10-05T08:20:00.000Z WARNING workers.schedule redis_is_away request_id=17"


def test_json_is_one_object_a_line() -> None:
    line = JsonLines().format(record(request_id=17, name_of="Анна"))
    assert json.loads(line) == {
        "at": "2026-10-05T08:20:00.000Z",
        "level": "WARNING",
        "logger": "workers.schedule",
        "event": "redis_is_away",
        "request_id": 17,
        "name_of": "Анна",
    }
    assert "\n" not in line


def test_an_exception_stays_within_its_line_of_json() -> None:
    made = record()
    try:
        raise ValueError("text\nof two lines")
    except ValueError:
        made.exc_info = sys.exc_info()
    line = JsonLines().format(made)
    assert "\n" not in line
    assert "ValueError: text" in json.loads(line)["exception"]

"""The statuses of a request follow each other as the interface promises."""

import pytest

from rules_engine.decisions.lifecycle import Status, is_closed, refusal
from rules_engine.decisions.modes import Mode
from rules_engine.models import OPEN_STATUSES, RequestStatus

HELD = {Status.ASSIGNED, Status.IN_PROGRESS, Status.WAITING_CLIENT}
PERMITTED = {
    *((old, new) for old in HELD for new in HELD - {Status.ASSIGNED} if old != new),
    *((old, new) for old in HELD for new in (Status.WON, Status.LOST, Status.SPAM)),
    (Status.LOST, Status.IN_PROGRESS),
    (Status.LOST, Status.WON),
}


@pytest.mark.parametrize("old", list(Status))
@pytest.mark.parametrize("new", list(Status))
def test_each_pair_is_permitted_or_refused_in_words(old: Status, new: Status) -> None:
    refused = refusal(old, new)
    assert (refused is None) == (old is new or (old, new) in PERMITTED)
    if refused is not None:
        assert all(refused[lang] for lang in ("ru", "en"))


def test_only_a_head_takes_a_request_back_from_spam() -> None:
    assert refusal(Status.SPAM, Status.IN_PROGRESS) is not None
    assert refusal(Status.SPAM, Status.IN_PROGRESS, by_head=True) is None


def test_the_core_and_the_rows_know_the_same_statuses() -> None:
    assert [s.value for s in Status] == [s.value for s in RequestStatus]
    assert {s.value for s in Status if not is_closed(s)} == {s.value for s in OPEN_STATUSES}


def test_what_each_mode_permits() -> None:
    assert not Mode.OFF.decides
    assert [mode.permits("assign") for mode in Mode] == [False, False, False, True]
    assert [mode.permits("reassign") for mode in Mode] == [False, False, False, True]
    assert [mode.permits("remind") for mode in Mode] == [False, False, True, True]

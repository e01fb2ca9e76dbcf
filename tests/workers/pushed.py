"""What somebody might push into Redis: a function that leaves a mark when it is run."""

from pathlib import Path


def leave_a_mark(path: object, *_more: object) -> None:
    Path(str(path)).touch()


def leave_a_mark_as_callback(job: object, *_more: object) -> None:
    Path(str(job.meta["mark"])).touch()  # type: ignore[attr-defined]

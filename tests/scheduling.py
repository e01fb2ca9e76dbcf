"""Which tests run in one process because they share what is dear to make; any other goes wherever there is room.

The marks of pytest-xdist for this do not reach its scheduler with pytest 9, whose node ids cannot be changed.
"""

from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    "story/test_receipt_log.py",  # three replays of the log
    "workers/test_run.py",  # one `pravila run`
    "workers/test_end_to_end.py",  # an installation a database
)


class SharedTogether(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        path, _, rest = nodeid.partition("::")
        if not path.endswith(TOGETHER):
            return nodeid
        # A test of both databases has an installation for each.
        return f"{path}[{rest.partition('[')[2]}"

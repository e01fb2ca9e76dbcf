"""A pytest plugin of CI: the marked tests were all run, and at least one of each kind."""

from collections import Counter

import pytest

MARKS = ("postgres", "browser", "faults")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput"):
        return  # a process of pytest-xdist: the one that gathers all results judges
    run: Counter[str] = Counter()
    complaints = []
    for report in reporter.stats.get("passed", []):
        run.update(mark for mark in MARKS if mark in report.keywords)
    for report in reporter.stats.get("skipped", []):
        # A module that skips itself as a whole reports no marks.
        if isinstance(report, pytest.CollectReport) or any(mark in report.keywords for mark in MARKS):
            complaints.append(f"skipped, which CI forbids: {report.nodeid}")
    if not session.config.option.file_or_dir:
        complaints += [f"no test marked {mark} was run" for mark in MARKS if not run[mark]]
    if complaints:
        for line in complaints:
            reporter.write_line(line, red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED

"""What stands between a draft and its approval: errors, test cases that do not hold, findings without a reason."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from rules_engine.errors import Conflict, PolicyViolation
from rules_engine.language.analysis import Finding
from rules_engine.language.cases import CaseResult
from rules_engine.language.errors import RulesetInvalid
from rules_engine.language.kinds import Decision
from rules_engine.language.problems import Problem
from rules_engine.language.ruleset import content_hash
from rules_engine.models import RulesetDraft
from rules_engine.services.approvals import findings
from rules_engine.services.drafts import editing
from rules_engine.services.impact import impact


class DraftOutdated(Conflict):
    """A version was published after the draft was begun; publishing it would undo that one unseen."""

    def __init__(self, *, base: int, latest: int, by: str) -> None:
        self.base, self.latest = base, latest
        super().__init__(
            ru=f"черновик начат с версии {base}, а с тех пор опубликована версия {latest} ({by})",
            en=f"the draft was begun from version {base}, and version {latest} was published since ({by})",
        )


@dataclass(frozen=True, slots=True)
class Readiness:
    """What holds a draft back.

    `warnings`: findings neither mended nor said to be intended. `lacks_impact`: rules of the bonus, and nobody has had
    reckoned who loses.
    """

    problems: tuple[Problem, ...] = ()
    failing: tuple[CaseResult, ...] = ()
    warnings: tuple[Finding, ...] = ()
    unchanged: bool = False
    lacks_impact: bool = False

    @property
    def is_ready(self) -> bool:
        return not (self.problems or self.failing or self.warnings or self.unchanged or self.lacks_impact)


class NotReady(PolicyViolation):
    """The draft cannot go into force yet; `readiness` says what is missing."""

    def __init__(self, readiness: Readiness) -> None:
        self.readiness = readiness
        self.problems, self.failing = readiness.problems, readiness.failing
        super().__init__(ru=self._sentence("ru"), en=self._sentence("en"))

    def _sentence(self, lang: str) -> str:
        is_ru = lang == "ru"
        if self.problems:
            return RulesetInvalid(self.problems).message(lang)
        if self.failing:
            titles = ", ".join(f"«{result.case.title.text(lang)}»" for result in self.failing[:5])
            return f"контрольные примеры не сходятся: {titles}" if is_ru else f"test cases do not hold: {titles}"
        if self.readiness.unchanged:
            return "черновик ничего не меняет" if is_ru else "the draft changes nothing"
        if self.readiness.warnings:
            count = len(self.readiness.warnings)
            if is_ru:
                return f"замечания без ответа, всего {count}: исправьте или скажите, почему так задумано"
            return f"findings without an answer, {count} in all: mend them, or say why they are intended"
        if is_ru:
            return "сначала посмотрите, что изменится: у кого премия станет меньше"
        return "see first what would change: whose bonus becomes smaller"


def readiness(session: Session, row: RulesetDraft, now: datetime) -> Readiness:
    """Return what still holds a draft back."""
    digest = content_hash(row.body)
    return Readiness(
        problems=editing.problems(session, row.body),
        failing=tuple(result for result in editing.case_results(row.body) if not result.passed),
        warnings=findings.findings(session, row.body, row.accepted, now).warnings,
        unchanged=editing.latest_version(session, row.decision).body == row.body,
        lacks_impact=row.decision == Decision.BONUS and impact.done_for(session, row.decision, digest, now) is None,
    )


def check_ready(session: Session, row: RulesetDraft, now: datetime) -> None:
    """Refuse a draft that cannot go into force. Raises DraftOutdated, NotReady."""
    latest = editing.latest_version(session, row.decision)
    if latest.number != row.base_number:
        raise DraftOutdated(base=row.base_number, latest=latest.number, by=latest.published_by)
    found = readiness(session, row, now)
    if not found.is_ready:
        raise NotReady(found)

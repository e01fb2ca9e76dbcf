"""`make bench`: rule engines beside their peers, the analysis of rules, requests, bonuses and control of a month.

`BENCH_CONTROL_REQUESTS` says of how many requests the month of control is; the promise of two seconds is for 100,000.
`BENCH_IMPACT_DECISIONS` says over how many stored decisions a draft is compared; its promise is for 100,000, too.
`BENCH_ESCALATION_FULL=1` measures ticks beside 100,000 open requests instead of 10,000.
"""

import os

from tests.benchmarks import analysis, bonuses, control, end_to_end, engines, escalation, impact

CONTROL_REQUESTS = 20_000
IMPACT_DECISIONS = 5_000


def main() -> int:
    code = engines.main()
    print()
    print(analysis.table(analysis.measure()))
    print()
    print(end_to_end.table(end_to_end.measure()))
    print()
    print(bonuses.table(bonuses.measure()))
    print()
    requests = int(os.environ.get("BENCH_CONTROL_REQUESTS", CONTROL_REQUESTS))
    print(control.table(control.measure(requests), requests))
    print()
    decisions = int(os.environ.get("BENCH_IMPACT_DECISIONS", IMPACT_DECISIONS))
    print(impact.table(impact.measure(decisions)))
    print()
    escalation.main(["--full"] if os.environ.get("BENCH_ESCALATION_FULL") else [])
    return code


if __name__ == "__main__":
    raise SystemExit(main())

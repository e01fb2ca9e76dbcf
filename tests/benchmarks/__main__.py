"""`make bench`: rule engines beside their peers, then requests end to end and replayed, then a month's bonuses."""

from tests.benchmarks import bonuses, end_to_end, engines


def main() -> int:
    code = engines.main()
    print()
    print(end_to_end.table(end_to_end.measure()))
    print()
    print(bonuses.table(bonuses.measure()))
    return code


if __name__ == "__main__":
    raise SystemExit(main())

"""`python -m tests.reference FILE.json`: one line per case, then the totals."""

import sys
from collections import Counter

from tests.reference import cases
from tests.reference.methods import BEHAVIOURS, METHODS


def main(arguments):
    path = arguments[0] if arguments else cases.shared_file()
    if path is None:
        sys.exit("usage: python -m tests.reference FILE.json")
    outcomes = cases.run_file(path, METHODS, BEHAVIOURS)
    for outcome in outcomes:
        print(outcome)
    count = Counter(outcome.status for outcome in outcomes)
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
"""Runs the end-to-end tests on build/release/hauberk.

usage: tests/e2e/run.py [--json FILE] [PATTERN]...      a pattern is a part of a test's name

Every server is on loopback and ended by its process id. At the end it says which real clients and servers took part.
"""
import json
import pathlib
import sys
import time
import traceback
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import harness  # noqa: E402


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.passed, self.failed_names, self.skips = 0, [], 0

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def _line(self, word: str, test, more: str = ""):
        print(f"{word:6} {test.id()} ({time.monotonic() - self.began:.1f} s){more}", flush=True)

    def addSuccess(self, test):
        self.passed += 1
        self._line("ok", test)

    def addSkip(self, test, reason):
        self.skips += 1
        self._line("skip", test, f": {reason}")

    def _failed(self, test, error):
        self.failed_names.append(test.id())
        began = getattr(self, "began", time.monotonic())
        print(f"FAILED {test.id()} ({time.monotonic() - began:.1f} s)\n" + "".join(traceback.format_exception(*error)), flush=True)

    addFailure = addError = _failed

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self._failed(subtest, error)


def tests_of(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from tests_of(item)
        else:
            yield item


def main() -> int:
    arguments, report = sys.argv[1:], None
    if "--json" in arguments:
        at = arguments.index("--json")
        report = pathlib.Path(arguments[at + 1])
        del arguments[at : at + 2]
    if not harness.BINARY.exists():
        print(f"{harness.BINARY} is not there: run `make build`", file=sys.stderr)
        return 3
    found = unittest.defaultTestLoader.discover(str(HERE), top_level_dir=str(HERE))
    wanted = unittest.TestSuite(test for test in tests_of(found) if not arguments or any(pattern in test.id() for pattern in arguments))
    result = Result()
    wanted.run(result)
    print("took part: " + "; ".join(f"{name} {version}" for name, version in sorted(harness.used.items())))
    print(f"e2e: {result.passed} passed, {len(result.failed_names)} failed, {result.skips} skipped")
    if report:
        report.write_text(json.dumps({"passed": result.passed, "failed": len(result.failed_names), "skipped": result.skips,
                                      "failures": result.failed_names}))
    return 1 if result.failed_names or not result.passed else 0


if __name__ == "__main__":
    sys.exit(main())

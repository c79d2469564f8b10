#!/usr/bin/env python3
"""Runs every test of a built checkout and closes with one line "N passed, N failed, N skipped".

usage: tools/run_tests.py [unit|e2e]...      (all of them without an argument)

unit   build/asan: unit tests, contract tests, cases as data, the replay of the fuzz corpora, the style test (ctest)
e2e    build/release/hauberk with real clients and servers, over loopback (tests/e2e/run.py)
The exit status is 1 if anything failed. Reports lie in build/results/.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "build/results"
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures: list[str] = []


def count_gtest(report: dict, counts: Counts) -> None:
    for suite in report["testsuites"]:
        for case in suite["testsuite"]:
            name = f"{case['classname']}.{case['name']}"
            if case.get("failures"):
                counts.failed += 1
                counts.failures.append(name)
            elif case["result"] in ("SKIPPED", "SUPPRESSED"):
                counts.skipped += 1
            else:
                counts.passed += 1


def unit() -> Counts:
    folder = RESULTS / "unit"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    subprocess.run(
        ["ctest", "--test-dir", "build/asan", "-j", str(os.cpu_count()), "--output-on-failure", "--no-tests=error",
         "--output-junit", str(folder / "ctest.xml")],
        cwd=ROOT, env=os.environ | SANITIZERS | {"GTEST_OUTPUT": f"json:{folder}/"})
    counts = Counts()
    if not (folder / "ctest.xml").exists():
        counts.failed, counts.failures = 1, ["ctest itself"]
        return counts
    for test in xml.parse(folder / "ctest.xml").getroot().iter("testcase"):
        name, status = test.get("name"), test.get("status")
        details = folder / f"test_{name}.json"
        before = counts.failed
        if details.exists():
            count_gtest(json.loads(details.read_text()), counts)
        elif status == "run":
            counts.passed += 1
        if status != "run" and counts.failed == before:  # a crash, a leak, a time-out: no test case names it
            counts.failed += 1
            counts.failures.append(f"{name} (see its output above)")
    return counts


def e2e() -> Counts:
    report = RESULTS / "e2e.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    subprocess.run([ROOT / ".deps/venv/bin/python", "-B", "tests/e2e/run.py", "--json", report], cwd=ROOT)
    counts = Counts()
    if not report.exists():
        counts.failed, counts.failures = 1, ["tests/e2e/run.py itself"]
        return counts
    counts.__dict__.update(json.loads(report.read_text()))
    return counts


def main() -> int:
    kinds = {"unit": unit, "e2e": e2e}
    wanted = sys.argv[1:] or list(kinds)
    if unknown := [kind for kind in wanted if kind not in kinds]:
        print(f"run_tests: unknown: {' '.join(unknown)}\n{__doc__}", file=sys.stderr)
        return 2
    total, lines = Counts(), []
    for kind in wanted:
        began = time.monotonic()
        counts = kinds[kind]()
        total.passed += counts.passed
        total.failed += counts.failed
        total.skipped += counts.skipped
        total.failures += [f"{kind}: {failure}" for failure in counts.failures]
        lines.append(f"{kind}: {counts.passed} of {counts.passed + counts.failed} in {time.monotonic() - began:.0f} s")
    print()
    for line in lines + [f"FAILED {failure}" for failure in total.failures]:
        print(line)
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())

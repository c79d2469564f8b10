#!/usr/bin/env python3
"""The style test: layers, words, lengths, format, and the selftest that proves these checks can fail.

usage: tests/style/run.py [--json FILE]

Prints each problem as "file:line: what is wrong"; the exit status is 1 if there is any.
"""
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
sys.path.insert(0, str(ROOT / "tests/style"))
import check_layers  # noqa: E402
import check_style  # noqa: E402
import selftest  # noqa: E402


def check_format() -> list[str]:
    """Files that `make format` would change."""
    files = [str(file.relative_to(ROOT)) for folder in ("src", "fuzz", "bench") for file in sorted((ROOT / folder).rglob("*"))
             if file.suffix in (".h", ".cpp")]
    result = subprocess.run(["clang-format-19", "--dry-run", "--ferror-limit=1", *files], cwd=ROOT, capture_output=True, text=True)
    lines = [line for line in result.stderr.splitlines() if "clang-format-violations" in line]
    return [line.split(": warning:")[0] + ": not as `make format` leaves it" for line in lines]


def check_scripts() -> list[str]:
    """Shell scripts that bash cannot read."""
    found = []
    for name in subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        file = ROOT / name
        if file.is_file() and file.open("rb").read(32).startswith(b"#!/usr/bin/env bash"):
            result = subprocess.run(["bash", "-n", str(file)], capture_output=True, text=True)
            found += result.stderr.splitlines()
    return found


CHECKS = {
    "style checks can fail": selftest.run,
    "layers": lambda: check_layers.problems(ROOT),
    "words, headers, lengths, test names": lambda: check_style.problems(ROOT),
    "format": check_format,
    "scripts": check_scripts,
}


def main() -> int:
    passed, failed = 0, 0
    for name, check in CHECKS.items():
        found = check()
        for problem in found:
            print(problem)
        print(f"style: {name}: {len(found)} problems" if found else f"style: {name}: ok")
        passed, failed = passed + (not found), failed + bool(found)
    if "--json" in sys.argv:
        pathlib.Path(sys.argv[sys.argv.index("--json") + 1]).write_text(json.dumps({"passed": passed, "failed": failed, "skipped": 0}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

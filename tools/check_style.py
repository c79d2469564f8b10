#!/usr/bin/env python3
"""Refuses what the house does not want to see in its sources, beyond what compiler and formatter know.

usage: tools/check_style.py [--report] [ROOT]

Words   clocks, environment, randomness, threads and processes are opened in the places that RULES names, nowhere else.
Headers each opens with a comment that says what it is, then #pragma once.
Lengths lines of 140 columns; files of 800 lines and functions of 120 lines are refused. The wish is 120 columns, 400 and
        60 lines: --report lists what is above it.
Tests   names are TEST(Subject, a_sentence_in_snake_case); a test asserts something.
Each problem is one line "file:line: what is wrong"; the exit status is 1 if there is any.
"""
import pathlib
import re
import sys

LINE_LIMIT, FILE_LIMIT, FUNCTION_LIMIT = 140, 800, 120
LINE_WISH, FILE_WISH, FUNCTION_WISH = 120, 400, 60

# (what, why, the places under src/ where it is right)
RULES = [
    (r"\b(system_clock|steady_clock|high_resolution_clock)::now\b|\bclock_gettime\b|\bgettimeofday\b|\btime\(nullptr\)",
     "time comes from the injected Clock", ("base/",)),
    (r"\b(secure_)?getenv\b|\bsetenv\b|\bputenv\b", "the environment is read in one place",
     ("adapters/engine_onnx.cpp", "base/", "app/output.cpp", "app/isolate", "app/environment", "app/become.cpp")),
    (r"\b(std::)?s?rand\(|\bstd::(mt19937(_64)?|random_device|default_random_engine)\b|\bgetrandom\b",
     "randomness comes from the injected Random", ("base/",)),
    (r"\bstd::(jthread|thread\b(?!::id)|async)\b|\bpthread_create\b", "threads are started where docs/threads.md names them",
     ("base/", "app/", "gateway/", "adapters/ledger_file.cpp")),
    (r"\b(system|popen|execve?|execvpe?|v?fork|posix_spawnp?)\(", "processes are started by app/isolate alone", ("app/isolate", "app/become.cpp")),
    (r"\bthrow\b(?!\s*\()|\bthrow\s*\(", "errors are values (base/result.h)", ()),
    (r"\busing\s+namespace\s+(hauberk|std)\b(?!::)", "name what is used", ()),
    (r"\bstd::(cout|cerr|printf|format)\b|(?<![\w:])f?printf\(", "people are spoken to through app/output, operators through base/log",
     ("app/", "base/log.cpp")),
    (r"\b(TODO|FIXME|XXX|HACK)\b", "finish it, or leave it out", ()),
    (r"\bconst_cast\b", "say what is mutable instead", ("adapters/", "scan/", "crypto/", "base/", "net/")),
]
RULES = [(re.compile(pattern), why, places) for pattern, why, places in RULES]
TEST = re.compile(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)")
ASSERTS = re.compile(r"\b(EXPECT|ASSERT)_|\bstatic_assert\b|\b(FAIL|SUCCEED|ADD_FAILURE)\(|\b(expect|check|assert|verify)_?\w*\(|\bcontract::")
# A definition starts in the first columns (Google's format does not indent namespaces) and ends with a brace in column 1.
FUNCTION_START = re.compile(r"^[A-Za-z_][^;=]*\)[^;=]*\{$|^TEST\w*\(.*\{$")


def strip(line: str) -> str:
    """The line without string literals and comment."""
    return re.sub(r'//.*$', "", re.sub(r'"(?:[^"\\]|\\.)*"', '""', line))


def check_words(name: str, lines: list[str], is_test: bool) -> list[str]:
    found = []
    for number, line in enumerate(lines, 1):
        # Raw texts of tests stay in one piece.
        if len(line) > LINE_LIMIT and not (is_test and ("\"" in line)):
            found.append(f"{name}:{number}: {len(line)} columns, at most {LINE_LIMIT}")
        bare = line if "TODO" in line or "FIXME" in line else strip(line)
        for pattern, why, places in RULES:
            match = pattern.search(bare)
            if match and not (is_test or name.removeprefix("src/").startswith(places or ("\0",))):
                found.append(f"{name}:{number}: {match[0].strip()}: {why}")
    return found


def check_header(name: str, lines: list[str]) -> list[str]:
    comment = 0
    while comment < len(lines) and lines[comment].startswith("//"):
        comment += 1
    found = []
    if comment < 1:
        found.append(f"{name}:1: a header opens with a comment that says what it is and what it promises")
    if "#pragma once" not in lines[: comment + 2]:
        found.append(f"{name}:{comment + 1}: #pragma once follows the opening comment")
    return found


def functions(lines: list[str]) -> list[tuple[int, int]]:
    """(first line, length) of what looks like a function at the outermost level."""
    found, start = [], None
    for number, line in enumerate(lines, 1):
        if start is None and FUNCTION_START.match(line):
            start = number
        elif start is not None and line.startswith("}"):
            found.append((start, number - start + 1))
            start = None
    return found


def check_tests(name: str, lines: list[str]) -> list[str]:
    found = []
    for number, line in enumerate(lines, 1):
        if not (match := TEST.match(line)):
            continue
        if not re.fullmatch(r"[A-Z]\w*", match[1]) or not re.fullmatch(r"[a-z0-9_]+", match[2]):
            found.append(f"{name}:{number}: TEST({match[1]}, {match[2]}): a Subject, then a_sentence_in_snake_case")
        end = next((i for i in range(number, len(lines)) if lines[i].startswith("}")), number)
        if not ASSERTS.search("\n".join(lines[number - 1 : end])):
            found.append(f"{name}:{number}: TEST({match[1]}, {match[2]}) asserts nothing")
    return found


def sources(root: pathlib.Path):
    for folder in ("src", "fuzz", "bench"):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix in (".h", ".cpp"):
                yield str(file.relative_to(root)), file


def problems(root: pathlib.Path) -> list[str]:
    found = []
    for name, file in sources(root):
        lines = file.read_text().splitlines()
        is_test = not name.startswith("src/") or file.stem.endswith(("_test", "_fuzz"))
        found += check_words(name, lines, is_test)
        if file.suffix == ".h":
            found += check_header(name, lines)
        if file.stem.endswith("_test"):
            found += check_tests(name, lines)
        if len(lines) > FILE_LIMIT:
            found.append(f"{name}:1: {len(lines)} lines, at most {FILE_LIMIT}")
        for first, length in functions(lines):
            if length > FUNCTION_LIMIT:
                found.append(f"{name}:{first}: a function of {length} lines, at most {FUNCTION_LIMIT}")
    return found


def report(root: pathlib.Path) -> list[str]:
    found = []
    for name, file in sources(root):
        lines = file.read_text().splitlines()
        long_lines = sum(len(line) > LINE_WISH for line in lines)
        if long_lines:
            found.append(f"{name}: {long_lines} lines above {LINE_WISH} columns")
        if len(lines) > FILE_WISH:
            found.append(f"{name}: {len(lines)} lines")
        found += [f"{name}:{first}: a function of {length} lines" for first, length in functions(lines) if length > FUNCTION_WISH]
    return found


def main() -> int:
    arguments = [argument for argument in sys.argv[1:] if argument != "--report"]
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent)
    if "--report" in sys.argv:
        print("\n".join(report(root)))
        return 0
    found = problems(root)
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""python -m hauberk FILE...: a line for each file and its findings. Exit code 0 all clean, 1 something found, 3 not checked."""
import sys

from . import ScanError, Verdict, scan


def main(paths: list[str]) -> int:
    if not paths or paths[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    code = 0
    for path in paths:
        try:
            report = scan(path)
        except ScanError as error:
            print(f"ERROR  {path}: {error}", file=sys.stderr)
            code = code or 3
            continue
        print(f"{report.verdict}  {path}  ({report.format})")
        for finding in report.findings:
            if finding.severity != "info":
                print(f"    {finding.severity:8} {finding.message}  [{finding.rule}]")
        if report.verdict in (Verdict.REVIEW, Verdict.MALICIOUS):
            code = 1
        elif not report.passes:
            code = code or 3
    return code


sys.exit(main(sys.argv[1:]))

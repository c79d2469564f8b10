#!/usr/bin/env python3
"""What hauberk and four other scanners say of labelled files, in one table.

usage: bench/scan_detection.py [--corpus FOLDER] [--tool NAME]... [--list LABEL VERDICT]

The corpus is a folder with manifest.tsv (path, split, verdict, format, …), by default ../shared/data/scan beside the checkout. The
others run without network and, as root, as nobody: the samples are hostile to scanners too. Verdicts are put into four words:
flagged (harm or suspicion), clean, error (it says that it could not look), nothing (no answer: skipped, crashed or out of time).
Of hauberk, MALICIOUS and REVIEW are flagged, MALFORMED and INCONCLUSIVE are errors; neither passes a gate.
"""
import argparse
import collections
import csv
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PEERS = ROOT / ".deps/peers/bin/python"
LIMIT = 20  # seconds a file

# Each runs in the peers' environment: reads paths, writes "path<TAB>word". A worker that dies is started again behind the file.
ADAPTERS = {
    "picklescan": """
from picklescan.scanner import scan_file_path, SafetyLevel
def judge(path):
    result = scan_file_path(path)
    if result.infected_files or any(g.safety == SafetyLevel.Dangerous for g in result.globals): return "flagged"
    if result.scan_err: return "error"
    if any(g.safety == SafetyLevel.Suspicious for g in result.globals): return "flagged"
    return "clean" if result.scanned_files else "nothing"
""",
    "modelscan": """
from modelscan.modelscan import ModelScan
def judge(path):
    result = ModelScan().scan(path)
    if result["summary"]["total_issues"]: return "flagged"
    if result["errors"]: return "error"
    return "clean" if result["summary"]["scanned"]["total_scanned"] else "nothing"
""",
    "fickling": """
from fickling.fickle import Pickled
from fickling.analysis import check_safety, Severity
def judge(path):
    with open(path, "rb") as file:
        result = check_safety(Pickled.load(file))
    return "clean" if result.severity == Severity.LIKELY_SAFE else "flagged"
""",
    "modelaudit": """
from modelaudit.core import scan_model_directory_or_file
def judge(path):
    result = scan_model_directory_or_file(path)
    issues = [str(getattr(issue.severity, "value", issue.severity)).lower() for issue in result.issues]
    if any(level in ("critical", "warning", "high", "medium") for level in issues): return "flagged"
    if getattr(result, "has_errors", False) or any(level == "error" for level in issues): return "error"
    return "clean" if result.files_scanned else "nothing"
""",
}
WORKER = """
import os, signal, sys, warnings, logging
warnings.simplefilter("ignore"); logging.disable(logging.CRITICAL)
out = os.fdopen(os.dup(1), "w"); os.dup2(2, 1)
def late(*_): raise TimeoutError
signal.signal(signal.SIGALRM, late)
for line in sys.stdin:
    path = line.rstrip("\\n")
    out.write(path + "\\t"); out.flush()
    signal.alarm(%d)
    try: word = judge(path)
    except (TimeoutError, MemoryError, RecursionError): word = "nothing"
    except BaseException as error: word = "error"
    signal.alarm(0)
    out.write(word + "\\n"); out.flush()
""" % LIMIT


def confined(command: list[str]) -> list[str]:
    if os.geteuid() != 0:
        return ["unshare", "--user", "--net", *command]
    return ["unshare", "--net", "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs", "--bounding-set=-all", *command]


def ask_peer(tool: str, paths: list[str]) -> dict[str, str]:
    words: dict[str, str] = {}
    left = list(paths)
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "NO_ANALYTICS": "1", "PROMPTFOO_DISABLE_TELEMETRY": "1"}
    while left:
        process = subprocess.run(confined([str(PEERS), "-I", "-B", "-c", ADAPTERS[tool] + WORKER]), input="\n".join(left) + "\n",
                                 capture_output=True, text=True, env=environment, cwd="/")
        answers = [line.split("\t") for line in process.stdout.splitlines() if "\t" in line]
        if not answers:
            sys.exit(f"scan_detection: {tool} does not start: {process.stderr[-2000:]}")
        for path, word in answers:
            words[path] = word or "nothing"
        done = len(answers)
        if done < len(left) and process.stdout.endswith("\n"):
            sys.exit(f"scan_detection: {tool} stopped: {process.stderr[-2000:]}")
        left = left[done:]
    return words


def ask_hauberk(paths: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    done = subprocess.run([ROOT / "build/release/hauberk", "scan", "--json", "--", *paths], capture_output=True, text=True)
    verdicts = {file["path"]: file["verdict"] for file in json.loads(done.stdout)["files"]}
    words = {"malicious": "flagged", "review": "flagged", "clean": "clean", "malformed": "error", "inconclusive": "error"}
    return {path: words[verdict] for path, verdict in verdicts.items()}, verdicts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=pathlib.Path, default=ROOT.parent / "shared/data/scan")
    parser.add_argument("--tool", action="append", choices=["hauberk", *ADAPTERS])
    parser.add_argument("--list", nargs=2, metavar=("LABEL", "VERDICT"), help="name hauberk's files of this label and verdict")
    arguments = parser.parse_args()
    if not (arguments.corpus / "manifest.tsv").exists():
        print(f"scan_detection: skipped, there is no labelled corpus at {arguments.corpus}")
        return 0
    with (arguments.corpus / "manifest.tsv").open() as manifest:
        labels = {str(arguments.corpus / row["path"]): row["verdict"] for row in csv.DictReader(manifest, delimiter="\t", quoting=csv.QUOTE_NONE)}
    labels = {path: label for path, label in labels.items() if os.path.isfile(path)}
    counts = collections.Counter(labels.values())
    print(f"{len(labels)} files: " + ", ".join(f"{count} {label}" for label, count in counts.most_common()) + "\n")
    print("| tool | malicious flagged | malicious clean | benign clean | benign flagged | benign error or nothing | malformed clean | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for tool in arguments.tool or ["hauberk", *ADAPTERS]:
        if tool != "hauberk" and not PEERS.exists():
            print(f"| {tool} | not here: make peers | | | | | | |")
            continue
        began = time.monotonic()
        verdicts: dict[str, str] = {}
        if tool == "hauberk":
            words, verdicts = ask_hauberk(list(labels))
        else:
            words = ask_peer(tool, list(labels))
        took = time.monotonic() - began
        table = collections.Counter((labels[path], words.get(path, "nothing")) for path in labels)
        share = lambda label, *wanted: f"{sum(table[label, word] for word in wanted)} ({100 * sum(table[label, word] for word in wanted) / max(1, counts[label]):.1f} %)"
        print(f"| {tool} | {share('malicious', 'flagged')} | {share('malicious', 'clean')} | {share('benign', 'clean')} | {share('benign', 'flagged')} "
              f"| {share('benign', 'error', 'nothing')} | {share('malformed', 'clean')} | {took:.1f} |", flush=True)
        if verdicts:
            exact = collections.Counter((labels[path], verdict) for path, verdict in verdicts.items())
            print(f"| of it MALICIOUS | {exact['malicious', 'malicious']} ({100 * exact['malicious', 'malicious'] / max(1, counts['malicious']):.1f} %) | "
                  f"| | {exact['benign', 'malicious']} ({100 * exact['benign', 'malicious'] / max(1, counts['benign']):.1f} %) | | | |")
            if arguments.list:
                for path, verdict in verdicts.items():
                    if [labels[path], verdict] == arguments.list:
                        print(f"<!-- {path} -->")
    return 0


if __name__ == "__main__":
    sys.exit(main())

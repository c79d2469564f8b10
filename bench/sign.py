#!/usr/bin/env python3
"""Signs and verifies the same models with hauberk and others, and prints wall, CPU and memory side by side.

usage: bench/sign.py [--size GB] [--runs N] [--keep] [--only MODEL]...

The models are made in build/bench/ (one size each; --keep leaves them): one file, 16 files, 64 files, 5,000 small files. Files are
in the page cache; whole processes count; figures are medians of N runs (3), the tools taking turns. Others: the reference
implementation (model_signing, .deps/venv), `openssl dgst -sha256` over all files (a hash alone), cosign (one file; only where it is
in the path). hauberk also signs the one file in shards of 100 MB, which no other tool here reads as fast, and copies each model into
sealed memory for a command (`exec`; the copy needs that much memory beside the page cache).
"""
import argparse
import collections
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
HAUBERK = ROOT / "build/release/hauberk"
REFERENCE = ROOT / ".deps/venv/bin/model_signing"
FOLDER = ROOT / "build/bench/sign"
Run = collections.namedtuple("Run", "wall cpu memory")


def peak_of(pid: int) -> float:
    """Largest resident set of the process so far, in MB; what it had before it became the tool does not count."""
    try:
        with open(f"/proc/{pid}/status") as status:
            return next((int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")), 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0


def measure(command: list) -> Run:
    began = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    memory, pause = 0.0, 0.002
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        memory = max(memory, peak_of(process.pid))
        time.sleep(pause)
        pause = min(0.02, pause * 1.2)
    wall = time.perf_counter() - began
    process.returncode = status
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))}: status {status}\n{process.stderr.read().decode()}")
    process.stderr.close()
    return Run(wall, usage.ru_utime + usage.ru_stime, memory)


def make_model(name: str, files: int, total: int) -> pathlib.Path:
    folder = FOLDER / name
    if folder.is_dir():
        return folder
    folder.mkdir(parents=True)
    block = os.urandom(16 << 20)
    for number in range(files):
        left = total // files
        with open(folder / f"part-{number:05}.bin", "wb") as file:
            file.write(number.to_bytes(8, "little"))
            left -= 8
            while left > 0:
                left -= file.write(block[:left])
    return folder


def tools(model: pathlib.Path, key: pathlib.Path, public: pathlib.Path, one_file: bool) -> dict[str, list]:
    every = sorted(path for path in model.iterdir() if path.suffix == ".bin")
    signature, theirs, shards = (FOLDER / f"{model.name}.{end}" for end in ("sig", "ref.sig", "shards.sig"))
    commands = {"hauberk sign": [HAUBERK, "sign", model, "--key", key, "-o", signature],
                "hauberk verify": [HAUBERK, "verify", model, "--key", public, "--signature", signature]}
    commands["hauberk exec, verify"] = [HAUBERK, "exec", model, "--key", public, "--signature", signature, "--", "true"]
    if one_file:
        commands["hauberk sign, shards"] = [HAUBERK, "sign", model, "--key", key, "-o", shards, "--shard-size", "100MB"]
        commands["hauberk verify, shards"] = [HAUBERK, "verify", model, "--key", public, "--signature", shards]
    if REFERENCE.exists():
        commands["model_signing sign"] = [REFERENCE, "sign", "key", "--private_key", key, "--signature", theirs, model]
        commands["model_signing verify"] = [REFERENCE, "verify", "key", "--public_key", public, "--signature", theirs, model]
    commands["openssl dgst"] = ["openssl", "dgst", "-sha256", *every]
    if one_file and (cosign := shutil.which("cosign")):
        commands["cosign sign-blob"] = [cosign, "sign-blob", "--yes", "--tlog-upload=false", "--key", FOLDER / "cosign.key",
                                        "--output-signature", FOLDER / "cosign.sig", every[0]]
    return commands


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=float, default=10, help="of each model, in GB")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--only", action="append", help='such as "16 files"')
    given = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    key, public = FOLDER / "key.pem", FOLDER / "key.pub"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True)
    subprocess.run(["openssl", "ec", "-in", key, "-pubout", "-out", public], check=True, capture_output=True)
    key.chmod(0o600)
    if shutil.which("cosign"):
        subprocess.run(["cosign", "generate-key-pair", "--output-key-prefix", FOLDER / "cosign"], check=True,
                       env=dict(os.environ, COSIGN_PASSWORD=""), capture_output=True)
        os.environ["COSIGN_PASSWORD"] = ""
    print("| model | tool | wall s | GB/s | CPU s a GB | peak MB | wall against hauberk |\n|---|---|---|---|---|---|---|")
    for name, files, share in (("one file", 1, 1), ("16 files", 16, 1), ("64 files", 64, 1), ("5,000 files", 5000, 0.01)):
        if given.only and name not in given.only:
            continue
        total = int(given.size * share * 1e9)
        model = make_model(name.replace(" ", "-"), files, total)
        commands = tools(model, key, public, files == 1)
        runs = {tool: [] for tool in commands}
        for _ in range(given.runs + 1):  # the first one fills the page cache
            for tool, command in commands.items():
                runs[tool].append(measure(command))
        ours = {verb: statistics.median(run.wall for run in runs[f"hauberk {verb}"][1:]) for verb in ("sign", "verify")}
        for tool, all_runs in runs.items():
            wall, cpu, memory = (statistics.median(values) for values in zip(*all_runs[1:]))
            ratio = wall / ours["verify" if "verify" in tool else "sign"]
            print(f"| {name} | {tool} | {wall:.2f} | {total / wall / 1e9:.2f} | {cpu / total * 1e9:.2f} | {memory:.0f} | {ratio:.1f} x |",
                  flush=True)
        if not given.keep:
            shutil.rmtree(model)
    if not given.keep:
        shutil.rmtree(FOLDER)


if __name__ == "__main__":
    main()

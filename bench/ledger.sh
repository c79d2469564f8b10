#!/usr/bin/env bash
# Events a second into the ledger, on the disk under build/, three runs. usage: bench/ledger.sh [EVENTS]
set -euo pipefail
cd "$(dirname "$0")/.."
tools/build release ledger_bench >/dev/null
folder=$(mktemp -d build/ledger-bench-XXXXXX)
trap 'rm -rf "$folder"' EXIT
for run in 1 2 3; do
  build/release/ledger_bench "$folder/$run" "${1:-1000000}" 1
  rm -rf "$folder/$run"
done

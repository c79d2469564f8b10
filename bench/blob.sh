#!/usr/bin/env bash
# Encrypted blobs against what OpenSSL itself reaches on one core: bench/blob.sh [FOLDER [CPU]]. The store lies in FOLDER (/var/tmp;
# /dev/shm leaves the disk out). With a CPU everything runs on that one, so that "a core" is a core: two threads that share one by
# hyperthreading count twice.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/build release blob_bench >/dev/null
folder=$(mktemp -d -p "${1:-/var/tmp}" hauberk-bench-XXXXXX)
trap 'rm -rf "$folder"' EXIT
speed() { openssl speed -seconds 3 -bytes 65536 -evp "$1" 2>/dev/null | awk -v name="$2" 'tolower($1) == name { print $NF / 1e6 }'; }
gcm=$(speed aes-256-gcm aes-256-gcm)
sha=$(speed sha256 sha256)
echo "| what | GB/s | GB/s a core | outside the kernel | against openssl speed, a core |"
echo "|---|---|---|---|---|"
awk -v gcm="$gcm" -v sha="$sha" 'BEGIN {
  printf "| openssl speed -evp aes-256-gcm -bytes 65536 | | %.2f | | 1.00 x |\n", gcm
  printf "| openssl speed -evp sha256 -bytes 65536 | | %.2f | | 1.00 x |\n", sha
  printf "| one after the other | | %.2f | | 1.00 x |\n", 1 / (1 / gcm + 1 / sha) }'
${2:+taskset -c "$2"} build/release/blob_bench "$folder" | awk -v gcm="$gcm" -v sha="$sha" '
  BEGIN {
    both = 1 / (1 / gcm + 1 / sha)
    text["seal"] = "sealing alone"; of["seal"] = gcm
    text["hash"] = "SHA-256 alone"; of["hash"] = sha
    text["lanes"] = "SHA-256 alone, several files side by side"; of["lanes"] = sha
    text["write"] = "hash, seal and write one file"; of["write"] = both
    text["together"] = "hash, seal and write several files"; of["together"] = both
    text["read"] = "read and open"; of["read"] = gcm
  }
  $1 == "random" { printf "\nRandom reads of 1 MiB, warm: median %s us, p99 %s us, p99.9 %s us; %s us of processor time each.\n", $2, $3, $4, $5; next }
  { printf "| %s | %s | %s | %s | %.2f x |\n", text[$1], $2, $3, $4, $3 / of[$1] }'

#!/usr/bin/env bash
# Encrypted blobs against what OpenSSL itself reaches with AES-256-GCM on one core. The store lies in memory (/dev/shm), so that the
# disk is left out.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/build release blob_bench >/dev/null
folder=$(mktemp -d -p /dev/shm hauberk-bench-XXXXXX)
trap 'rm -rf "$folder"' EXIT
reached=$(openssl speed -seconds 3 -bytes 65536 -evp aes-256-gcm 2>/dev/null | awk '/^AES-256-GCM/ { print $NF / 1e6 }')
echo "| what | GB/s | of openssl speed |"
echo "|---|---|---|"
echo "| openssl speed -evp aes-256-gcm -bytes 65536 | $reached | 100 % |"
build/release/blob_bench "$folder" | while read -r what speed; do
  case $what in
    seal) text="sealing alone, in memory" ;;
    hash) text="SHA-256 alone, in memory" ;;
    write) text="blob write: name (SHA-256), seal, file" ;;
    read) text="blob read: file, open" ;;
  esac
  echo "| $text | $speed | $(awk -v a="$speed" -v b="$reached" 'BEGIN { printf "%.0f", 100 * a / b }') % |"
done

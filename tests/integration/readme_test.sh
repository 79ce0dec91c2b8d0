#!/usr/bin/env bash
# Runs every ```sh block of README.md, in order, as a reader would type them.
set -euo pipefail
cd "$AUTOTP_SOURCE_DIR"
script=$(mktemp)
trap 'rm -f "$script"' EXIT
awk '/^```sh$/ {inside = 1; print "("; next}
     /^```$/ && inside {inside = 0; print ")"; next}
     inside' README.md >"$script"
grep -q quickstart "$script" || { echo "README.md has no commands"; exit 1; }
# The build under test stands where the README says that it is.
sed -i "s|build/release/bin|$AUTOTP_BIN_DIR|g" "$script"
AUTOTP_BUILD=$(dirname "$AUTOTP_BIN_DIR") STEPS=30 \
  timeout 300 bash -euo pipefail -x "$script"

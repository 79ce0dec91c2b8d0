#!/usr/bin/env bash
# Puts buf, which lints the contract, into ~/.cache/autotp/tools (from PyPI).
set -euo pipefail
version=1.75.0
venv=$HOME/.cache/autotp/tools
if [[ -f $venv/buf-$version ]]; then
  echo "tools: buf $version is in $venv"
  exit 0
fi
python3 -m venv --clear "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check \
  "buf-bin==$version"
touch "$venv/buf-$version"

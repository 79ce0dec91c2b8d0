#!/usr/bin/env bash
# Puts LibTorch, from its PyPI wheel, where the build looks for it:
# $AUTOTP_LIBTORCH_VENV, else ~/.cache/autotp/libtorch-2.11.0.
#
# Only the wheel's C++ headers and libraries are used; Python itself is needed
# here, to fetch it, and never at run time. The two nvidia wheels carry the
# small libraries that libtorch_cpu.so is linked to.
set -euo pipefail
version=2.11.0
venv=${AUTOTP_LIBTORCH_VENV:-$HOME/.cache/autotp/libtorch-$version}

if [[ -f $venv/complete ]]; then
  echo "libtorch: $version is in $venv"
  exit 0
fi
echo "libtorch: fetching $version into $venv (about 550 MB)"
mkdir -p "$(dirname "$venv")"
python3 -m venv --clear "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
  "torch==$version" nvidia-cuda-cupti==13.0.85 nvidia-cuda-runtime==13.0.96
touch "$venv/complete"

#!/usr/bin/env bash
# Puts Transformers, for tests that compare with it, into a Python environment:
# $AUTOTP_TRANSFORMERS_VENV, else ~/.cache/autotp/transformers-5.24.0.
#
# PyTorch is the wheel that libtorch.sh has fetched. It is linked to CUDA
# libraries of gigabytes that a CPU never calls: empty ones take their places,
# and functions are looked up when they are called.
set -euo pipefail
version=5.24.0
venv=${AUTOTP_TRANSFORMERS_VENV:-$HOME/.cache/autotp/transformers-$version}
libtorch=${AUTOTP_LIBTORCH_VENV:-$HOME/.cache/autotp/libtorch-2.11.0}

if [[ -f $venv/complete ]]; then
  echo "transformers: $version is in $venv"
  exit 0
fi
"$(dirname "${BASH_SOURCE[0]}")/libtorch.sh"
echo "transformers: fetching $version into $venv (about 60 MB)"
mkdir -p "$(dirname "$venv")"
python3 -m venv --clear "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check \
  "transformers==$version" jinja2 networkx sympy typing-extensions

torch=$(echo "$libtorch"/lib/python3*/site-packages)
packages=$(echo "$venv"/lib/python3*/site-packages)
stubs=$venv/lib/stubs
mkdir -p "$stubs"
users=("$torch"/torch/lib/libtorch_{cuda,nvshmem,python}.so)

# Libraries of CUDA that `users` need, and the versions of symbols in each.
for user in "${users[@]}"; do readelf -dW "$user"; done |
  sed -nE 's/.*NEEDED.*\[(lib(cu|nccl|nvshmem)[^]]*)\]/\1/p' | sort -u |
  while read -r name; do
    [[ $name != libcudart.so.* ]] || continue  # comes with libtorch.sh
    for user in "${users[@]}"; do readelf -VW "$user"; done |
      awk -v file="File: $name" '
        /File:/ { mine = index($0, file " ") }
        mine && /Name:/ { sub(/.*Name: /, ""); print $1 " { };" }' |
      sort -u >"$stubs/versions"
    script=()
    [[ ! -s $stubs/versions ]] ||
      script=("-Wl,--version-script=$stubs/versions")
    gcc -shared -x c /dev/null -o "$stubs/$name" "-Wl,-soname,$name" \
      "${script[@]}"
  done
rm "$stubs/versions"

cat >"$packages/cuda_stubs.py" <<EOF
import ctypes, os, pathlib, sys
for _stub in sorted(pathlib.Path("$stubs").iterdir()):
    ctypes.CDLL(str(_stub))
sys.setdlopenflags(os.RTLD_LAZY)
EOF
printf '%s\nimport cuda_stubs\n' "$torch" >"$packages/torch.pth"
touch "$venv/complete"

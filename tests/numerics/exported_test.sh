#!/usr/bin/env bash
# Installs Transformers where it is missing, and compares with it
# (exported_test.py [FAMILY...]).
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
"$here/../../deploy/install/transformers.sh"
venv=${AUTOTP_TRANSFORMERS_VENV:-$HOME/.cache/autotp/transformers-5.24.0}
exec "$venv/bin/python" "$here/exported_test.py" "$@"

#!/usr/bin/env bash
# Installs Transformers where it is missing, and trains imported models
# against it (imported_training_test.py [TEST...]).
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
"$here/../../deploy/install/transformers.sh"
venv=${AUTOTP_TRANSFORMERS_VENV:-$HOME/.cache/autotp/transformers-5.24.0}
export PYTHONPATH=$here/../../client/python:$here
exec "$venv/bin/python" "$here/imported_training_test.py" "$@"

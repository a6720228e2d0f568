#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the virtual environment and installs uvtrace into it, editable, with what development needs.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "uvtrace needs Python 3.11 or later; $python is $("$python" --version 2>&1)" \
         '(choose another: make venv PYTHON=python3.12)' >&2
    exit 5
}
# Debian splits venv off: without ensurepip, python -m venv fails half-way.
if [ ! -x "$venv/bin/pip" ] && ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    tools/install-packages.sh <(echo python3-venv)
fi
[ -x "$venv/bin/pip" ] || "$python" -m venv "$venv"
echo "installing uvtrace and its libraries into $venv" >&2
"$venv/bin/pip" install --quiet --disable-pip-version-check --editable '.[dev]'
# The build leaves this behind; it would be found first from here, and grow stale.
rm -rf uvtrace.egg-info
# Else every process compiles it again, where PYTHONDONTWRITEBYTECODE is set.
"$venv/bin/python" -m compileall -q uvtrace checkers devices reports

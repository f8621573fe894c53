#!/bin/sh
# Create the environment and install the project with the given extras: `tools/install.sh book,test`.
# Uses uv where it is at hand, pip otherwise; exact versions come from constraints.txt.
set -eu
extras="$1"
: "${PYTHON:=python3}" "${VENV:=.venv}"

if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "Deep Learning Lab needs Python 3.11 or newer; '$PYTHON' is $("$PYTHON" --version 2>&1 || echo missing)." >&2
  echo "Name another one: make PYTHON=python3.12 …" >&2
  exit 1
fi

if [ ! -x "$VENV/bin/python" ]; then
  echo "==> Creating $VENV with $("$PYTHON" --version)"
  "$PYTHON" -m venv "$VENV"
fi
echo "==> Installing dllab[$extras] under constraints.txt (a few minutes the first time)"
if command -v uv >/dev/null 2>&1; then
  uv pip install --quiet --python "$VENV/bin/python" -e ".[$extras]" -c constraints.txt
else
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -e ".[$extras]" -c constraints.txt
fi
echo "==> Installing the warm kernel into $VENV"
"$VENV/bin/dllab" kernel install
echo "==> Ready. 'make' lists the commands; '$VENV/bin/dllab doctor' says what works on this machine."

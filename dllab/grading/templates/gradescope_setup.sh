#!/usr/bin/env bash
# Gradescope runs this once, while it builds the autograder's image.
# Everything comes from this bundle, from apt and from pip, as they are configured here.
set -euo pipefail
root="${AUTOGRADER_ROOT:-/autograder}"
here="$root/source"
export DEBIAN_FRONTEND=noninteractive

apt-get update
apt-get install -y --no-install-recommends bubblewrap

recent() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
python=""
for minor in 13 12 11; do
  for name in "python3.$minor" python3; do
    if [ -z "$python" ] && recent "$name"; then python="$name"; fi
  done
  if [ -z "$python" ] && apt-get install -y --no-install-recommends "python3.$minor-venv"; then
    if recent "python3.$minor"; then python="python3.$minor"; fi
  fi
done
if [ -z "$python" ]; then
  echo "This image has no Python 3.11 or newer: choose Ubuntu 22.04 or a newer base image." >&2
  exit 1
fi

"$python" -m venv "$root/venv"
"$root/venv/bin/python" -m pip install --no-cache-dir \
  -r "$here/requirements.txt" -c "$here/constraints.txt"
chmod -R go-rwx "$here"

# Where it is built and where it runs may differ, so this only tells; the run decides.
cd "$here"
PYTHONPATH="$here" "$root/venv/bin/python" -P -m dllab.grading.gradescope --check || true

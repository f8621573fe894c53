#!/bin/sh
# Make sure that the named Debian packages are here: install them as root, else say how.
set -eu
missing=""
for package in "$@"; do
  case "$package" in
    bubblewrap) command=bwrap ;;
    *) command="$package" ;;
  esac
  command -v "$command" >/dev/null 2>&1 || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "==> Installing Debian packages:$missing"
  apt-get update -qq
  # shellcheck disable=SC2086  # the list is meant to split
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
  echo "Missing programs. Install them with: sudo apt-get install$missing" >&2
  exit 1
fi

#!/bin/sh
# Print the Python that `make` builds its environment with: the one named by $PYTHON, else the first of python3, python3.13, 3.12, 3.11
# that is one of the tested versions, else the first that is at least new enough. Says what it found where none will do.
set -u

found=""
fallback=""

# verdict of one interpreter: tested, untested, old (with its version), no-venv, absent
judge() {
  "$1" -c '
import sys
try:
    import ensurepip, venv
except ImportError:
    venv = None
version = sys.version_info[:2]
if version < (3, 11):
    print("%d.%d is too old" % version)
elif venv is None:
    print("%d.%d lacks the venv module" % version)
else:
    print("tested" if version <= (3, 13) else "untested")
' 2>/dev/null || echo absent
}

for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
  verdict=$(judge "$candidate")
  case $verdict in
    tested) echo "$candidate"; exit 0 ;;
    untested) fallback=${fallback:-$candidate} ;;
    absent) ;;
    *) found="$found $candidate ($verdict)," ;;
  esac
done
[ -n "$fallback" ] && { echo "$fallback"; exit 0; }

{
  echo "stream-gov needs Python 3.11, 3.12 or 3.13 with its venv module; found:${found:- none}" | sed 's/,$//'
  echo "Install one (Debian, Ubuntu: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3.12 ..."
} >&2
exit 1

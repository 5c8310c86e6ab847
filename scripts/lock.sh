#!/bin/sh
# Write requirements/runtime.txt and requirements/dev.txt: exact versions with hashes, for every supported Python and system.
# No index, host or path gets in: where packages come from is the installing machine's business.
set -eu
python=${1:?usage: lock.sh PYTHON}
cd "$(dirname "$0")/.."

compile() { # compile FILE ARGUMENT...
  file=$1; shift
  "$python" -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
    --no-emit-index-url --no-emit-find-links --no-header --annotation-style line \
    pyproject.toml requirements/build.in --constraint requirements/constraints.in --extra postgres "$@" --output-file "$file"
}

compile requirements/runtime.txt
compile requirements/dev.txt --group dev --constraint requirements/runtime.txt

#!/bin/sh
# Makes the environment of benchmarks/peers, apart from the project's .venv: about 2 GB, minutes.
#     benchmarks/peers/setup.sh [FOLDER]
# PYTHON (default python3) is 3.11, for which lock.txt was written.
set -eu
cd "$(dirname "$0")/../.."
folder="${1:-build/peers/env}"
"${PYTHON:-python3}" -m venv "$folder"
pip="$folder/bin/pip"
# The CPU build goes by another version, which only these indexes have; Makefile does the same.
torch="$(sed -n 's/^\(torch==[0-9.]*\)$/\1/p' benchmarks/peers/lock.txt)"
if [ "$(uname -s)" = Linux ]; then
    "$pip" install --quiet --no-deps "$torch+cpu" \
        || "$pip" install --quiet --no-deps "$torch+cpu" --index-url https://download.pytorch.org/whl/cpu
fi
"$pip" install --quiet --no-deps --requirement benchmarks/peers/lock.txt
"$pip" install --quiet --no-deps --editable .

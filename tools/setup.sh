#!/bin/sh
# Make the virtual environment: setup.sh PYTHON FOLDER. The Makefile calls it when what it depends on has changed.
set -eu
python=$1 folder=$2

fail() { echo "setup: $1" >&2; exit 1; }

command -v "$python" >/dev/null ||
    fail "there is no program $python; install it (Debian: apt-get install python3) or say which one: make PYTHON=..."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or newer is needed, $python is $("$python" -V 2>&1); say which one to use: make PYTHON=python3.11"

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    # Debian keeps both in a package of their own, and one without the other leaves half an environment behind.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "setup: installing python3-venv"
        export DEBIAN_FRONTEND=noninteractive
        said=$({ apt-get -qq update && apt-get -qq install --yes python3-venv; } 2>&1) || {
            echo "$said" >&2
            fail "python3-venv is missing and could not be installed; type: apt-get install python3-venv"
        }
    else
        fail "Python's venv module is missing; type: sudo apt-get install python3-venv"
    fi
fi

# Behind a proxy that signs with a certificate of its own, the system trusts it and pip's bundle does not. An own setting wins.
bundle=/etc/ssl/certs/ca-certificates.crt
if [ -z "${REQUESTS_CA_BUNDLE:-}" ] && [ -r $bundle ]; then export REQUESTS_CA_BUNDLE=$bundle; fi
export PIP_DISABLE_PIP_VERSION_CHECK=1

if ! "$folder/bin/python" -c 'import pip' 2>/dev/null; then
    echo "setup: making the virtual environment $folder"
    rm -rf "$folder"
    "$python" -m venv "$folder"
fi
echo "setup: installing what conquestctl needs"
# Twice quiet: errors only. Warnings about how pip is set up bury what a first-time user is to read.
"$folder/bin/python" -m pip install --quiet --quiet --constraint constraints.txt --editable '.[dev]' ||
    fail "pip could not install; the lines above say why. The next make tries again."

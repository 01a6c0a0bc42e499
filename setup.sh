#!/usr/bin/env bash
# Install what taxoscape needs on Debian or Ubuntu: system tools by apt, Python packages in .venv. `setup.sh tests` also
# installs what only the tests need.
# Quick when nothing is missing. Where conda is at hand, `snakemake --sdm conda` needs none of this.
set -euo pipefail
cd "$(dirname "$0")"

# r-base-dev: rpy2 compiles against R's headers. iqtree, raxml: options of the phylogeny.
# unifrac-tools: the independent check of our UniFrac.
packages=(python3 python3-venv python3-dev r-base-core r-base-dev r-bioc-dada2 mafft fasttree iqtree raxml vsearch cutadapt unifrac-tools)
if [ "${1:-}" = tests ] && [ "$(sed -n 's/^ID=//p' /etc/os-release 2>/dev/null)" = debian ]; then
    # Chromium opens the gallery (Ubuntu has it as a snap only), SLURM takes the cluster profile; tests skip without.
    packages+=(chromium chromium-driver slurm-wlm munge)
fi

missing=()
if command -v dpkg-query >/dev/null; then
    for package in "${packages[@]}"; do
        [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" = "ii " ] || missing+=("$package")
    done
else
    for tool in python3 R mafft vsearch cutadapt ssu; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
fi

if [ ${#missing[@]} -gt 0 ]; then
    by_hand="install them, or use conda (see README): ${missing[*]}"
    if ! command -v apt-get >/dev/null; then
        echo "error: no apt-get here to install missing system tools; $by_hand" >&2
        exit 2
    elif [ "$(id -u)" = 0 ]; then
        as_root=()
    elif command -v sudo >/dev/null && sudo -v; then
        as_root=(sudo)
    else
        echo "error: missing system tools need root, and sudo does not work here; $by_hand" >&2
        exit 2
    fi
    echo "Installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

python=$(command -v python3.11 || command -v python3)
if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))'; then
    echo "error: $python is $("$python" --version), but the pinned packages need Python 3.11 or 3.12" >&2
    exit 2
fi

# The stamp names what .venv holds; it is written last, so that an interrupted set-up starts again.
stamp=.venv/installed-$(cat requirements.txt constraints.txt | sha256sum | cut -c1-16)
if [ ! -e "$stamp" ]; then
    echo "Installing Python packages in .venv"
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    # torch first and alone: the resolver would otherwise take its CUDA build, some gigabytes.
    .venv/bin/python -m pip install -q "$(grep '^torch==' requirements.txt)"
    .venv/bin/python -m pip install -q -r requirements.txt -c constraints.txt
    .venv/bin/python -m pip check
    touch "$stamp"
fi
# The command `aam`; the workflow itself needs no installed package.
[ -x .venv/bin/aam ] || .venv/bin/python -m pip install -q --no-deps --editable .
echo "Set up: $(.venv/bin/python --version), snakemake $(.venv/bin/snakemake --version), $(R --version | sed -n 1p)"

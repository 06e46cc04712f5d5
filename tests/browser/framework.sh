#!/bin/bash
# Take a framework for single-page sites and its router out of their released packages, into a directory:
#
#     tests/browser/framework.sh DIRECTORY
#     SITE_FRAMEWORK=DIRECTORY python -m pytest -m machines tests/browser
set -euo pipefail
directory=${1:?give a directory}
mkdir -p "$directory"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for each in vue@3.5.45:vue vue-router@4.6.5:vue-router; do
  packed=$(cd "$work" && npm pack --silent "${each%:*}" | tail -n 1)
  tar -xzOf "$work/$packed" "package/dist/${each#*:}.global.prod.js" >"$directory/${each#*:}.js"
done

#!/bin/bash
# Take descriptions of APIs that others wrote out of released packages, into a directory:
#
#     tests/apis/descriptions.sh DIRECTORY
#     API_DESCRIPTIONS=DIRECTORY python -m pytest -m machines tests/apis
set -euo pipefail
directory=${1:?give a directory}
python=${PYTHON:-python3}
mkdir -p "$directory"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

take() { # take PACKAGE@VERSION PATH NAME: a file of a package of npm
  local packed
  packed=$(cd "$work" && npm pack --silent "$1" | tail -n 1)
  tar -xzOf "$work/$packed" "package/$2" >"$directory/$3"
}

take @figma/rest-api-spec@0.43.0 openapi/openapi.yaml figma.yaml
take @blockfrost/openapi@0.1.93 openapi.yaml blockfrost.yaml
take @scalar/galaxy@0.6.12 dist/3.1.yaml galaxy.yaml
take @octokit/openapi@23.0.2 generated/api.github.com.json github.json
"$python" -m pip download --quiet --no-deps --dest "$work" apache-airflow-core==3.3.2
"$python" - "$work"/apache_airflow_core-*.whl "$directory/airflow.yaml" <<'END'
import sys, zipfile
name = "airflow/api_fastapi/core_api/openapi/v2-rest-api-generated.yaml"
open(sys.argv[2], "wb").write(zipfile.ZipFile(sys.argv[1]).read(name))
END

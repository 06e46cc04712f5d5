#!/usr/bin/env bash
# Gather real documents of many kinds from released packages, each in one exact version: corpus.sh DIRECTORY
set -euo pipefail
mkdir -p "$1"
cd "$1"

sources=(
  agate-excel==0.4.2 csvkit==2.2.0 html2text==2025.4.15 nbconvert==7.17.2 odfpy==1.4.1 pypdf==7.1.1 python-docx==1.2.0
  python-pptx==1.0.2 tablib==3.10.0 xlsx2csv==0.8.6
)
for each in "${sources[@]}"; do
  name=${each%%==*}
  if [[ ! -d $name ]]; then
    "${WORKHAND_PYTHON:-python3.11}" -m pip --disable-pip-version-check -qq download --no-deps --no-binary :all: --dest "$name.new" "$each"
    tar -xzf "$name.new"/*.tar.gz -C "$name.new"
    mv "$name.new" "$name"
  fi
done

if [[ ! -d mammoth ]]; then
  mkdir mammoth.new
  (cd mammoth.new && npm pack --silent mammoth@1.13.0 >/dev/null && tar -xzf ./*.tgz)
  mv mammoth.new mammoth
fi

for each in debian-policy=4.6.2.0 developers-reference=12.18 libpython3.11-testsuite=3.11.2-6+deb12u9; do
  name=${each%%=*}
  if [[ ! -d $name ]]; then
    mkdir -p "$name.new"
    (cd "$name.new" && apt-get -qq download "$each" 2>/dev/null && dpkg-deb -x ./*.deb .)
    mv "$name.new" "$name"
  fi
done

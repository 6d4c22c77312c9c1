#!/usr/bin/env bash
# What somebody does whose scanner reads folders only: exports an image, unpacks every layer into a folder of its own,
# and runs the scanner in the folder of them all. Everything is removed at the end.
#
#   benchmarks/export_layers.sh IMAGE COMMAND [ARG]...
set -Eeuo pipefail
image=$1
shift
work=$(mktemp -d)
trap 'chmod -R u+rwX -- "$work"; rm -rf -- "$work"' EXIT
mkdir "$work/saved" "$work/layers"
docker save "$image" | tar -xf - -C "$work/saved"
number=0
# The names of the layers are the last list of manifest.json, in the old form of an archive and in the new one.
while read -r layer || [[ -n $layer ]]; do
  folder=$work/layers/$(printf '%02d' "$number")
  mkdir "$folder"
  tar -xf "$work/saved/$layer" -C "$folder" --no-same-owner --anchored --exclude='dev/*' --exclude='./dev/*'
  number=$((number + 1))
done < <(sed -E 's/.*"Layers":\[([^]]*)\].*/\1/' "$work/saved/manifest.json" | tr ',' '\n' | tr -d '"')
cd "$work/layers"
"$@"

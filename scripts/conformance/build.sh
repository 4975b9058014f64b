#!/usr/bin/env bash
# Builds Knative Serving's own suites and the images that they deploy, from its Go module, and prints the folder that has them.
# build.sh PACKAGE…   e.g. test/conformance/api/v1; each becomes FOLDER/test_conformance_api_v1.test, the images FOLDER/images/NAME.
# The first build takes a few minutes; what is there is not built again.
set -euo pipefail
version=v0.42.2 # Knative 1.15: the newest whose own dependencies the module proxy has
folder=${XDG_CACHE_HOME:-$HOME/.cache}/millrace-tests/serving-$version
mkdir -p "$folder"
exec 9>"$folder.lock"
flock 9
if [ ! -d "$folder/source" ]; then
  command -v go >/dev/null || { echo 'there is no go to build them with' >&2; exit 1; }
  module=$(cd "$folder" && go mod download -json "knative.dev/serving@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  rm -rf "$folder/source.new"
  cp -r "$module" "$folder/source.new"
  chmod -R u+w "$folder/source.new"
  rm -rf "$folder/source.new/vendor" # holds a list alone: the modules come from the proxy
  mv "$folder/source.new" "$folder/source"
fi
cd "$folder/source"
for package in "$@"; do
  program=$folder/${package//\//_}.test
  [ -x "$program" ] || go test -mod=mod -tags=e2e,hpa -c -o "$program" "./$package" >&2
done
if [ ! -d "$folder/images" ]; then
  mkdir -p "$folder/images.new"
  CGO_ENABLED=0 go build -mod=mod -trimpath -o "$folder/images.new/" ./test/test_images/... >&2
  mv "$folder/images.new" "$folder/images"
fi
echo "$folder"

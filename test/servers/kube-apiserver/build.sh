#!/usr/bin/env bash
# Builds the kube-apiserver that tests run against, from its Go module at the version of go.mod, and prints where it is.
# Built once for a machine: whoever comes while it is being built waits. About five minutes on two cores, 1 s from the build cache.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
version=$(sed -n 's,.*k8s.io/kubernetes \(v[0-9.]*\).*,\1,p' go.mod)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/millrace-tests
program=$folder/kube-apiserver-$version
mkdir -p "$folder"
exec 9>"$program.lock"
flock 9
if [ ! -x "$program" ]; then
  command -v go >/dev/null || { echo 'there is no go to build kube-apiserver with' >&2; exit 1; }
  release="-X k8s.io/component-base/version.gitVersion=$version"
  CGO_ENABLED=0 go build -trimpath -ldflags "-s -w $release" -o "$program.new" k8s.io/kubernetes/cmd/kube-apiserver
  mv "$program.new" "$program"
fi
echo "$program"

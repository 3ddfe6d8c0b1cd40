#!/bin/sh
# Writes descriptors/envoy-<version>.binpb from the Go module that go.mod pins. Needs Go and the Go module proxy.
# To move to another Envoy: go get github.com/envoyproxy/go-control-plane/envoy@v<version> in dump-descriptors/, run
# this, change ENVOY_VERSION in src/version.ts, and run the tests, which compare with the descriptors in Envoy itself.
set -eu
cd "$(dirname "$0")/dump-descriptors"
version=$(go list -m -f '{{.Version}}' github.com/envoyproxy/go-control-plane/envoy)
{
  echo '// Written by ../dump-descriptors.sh; not committed.'
  echo 'package main'
  echo 'import ('
  for module in github.com/envoyproxy/go-control-plane/envoy github.com/cncf/xds/go; do
    go list "$module/..." | sed 's/.*/\t_ "&"/'
  done
  for signal in logs metrics trace; do echo "	_ \"go.opentelemetry.io/proto/otlp/collector/$signal/v1\""; done
  echo ')'
} > packages.go
go mod tidy
go run . "../../descriptors/envoy-${version#v}.binpb"

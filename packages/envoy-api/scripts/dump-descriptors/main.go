// Command dump-descriptors writes the descriptors of the Envoy v3 API as one google.protobuf.FileDescriptorSet.
//
// They come from the Go module github.com/envoyproxy/go-control-plane/envoy, which carries each file's raw descriptor
// and has one tagged release for each minor version of Envoy. The list of packages to link is packages.go, which
// ../dump-descriptors.sh writes anew.
package main

import (
	"fmt"
	"os"
	"regexp"
	"sort"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// What a mesh needs: the v3 API with its types and admin messages, xDS and UDPA, and OTLP for telemetry.
var wanted = regexp.MustCompile(`^(envoy/(config|service|extensions|data|admin|type|watchdog)/.*v3.*/|envoy/type/|xds/|udpa/type/|opentelemetry/proto/)`)

func main() {
	files := map[string]protoreflect.FileDescriptor{}
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		files[file.Path()] = file
		return true
	})
	reached := map[string]*descriptorpb.FileDescriptorProto{}
	var reach func(protoreflect.FileDescriptor)
	reach = func(file protoreflect.FileDescriptor) {
		if reached[file.Path()] != nil {
			return
		}
		reached[file.Path()] = protodesc.ToFileDescriptorProto(file)
		for i := 0; i < file.Imports().Len(); i++ {
			reach(file.Imports().Get(i).FileDescriptor)
		}
	}
	for path, file := range files {
		if wanted.MatchString(path) {
			reach(file)
		}
	}
	var names []string
	for name := range reached {
		names = append(names, name)
	}
	sort.Strings(names)
	set := &descriptorpb.FileDescriptorSet{}
	for _, name := range names {
		set.File = append(set.File, reached[name])
	}
	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err == nil {
		err = os.WriteFile(os.Args[1], bytes, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%d files, %d bytes\n", len(set.File), len(bytes))
}

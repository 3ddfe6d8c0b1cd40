// Command go-control-plane is an xDS server that is not Weft's: the one of the Envoy project, told by lines of JSON on
// its standard input what to serve. It tells on its standard output, a line of JSON each, where it listens, and what
// was acknowledged and refused.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// told is one line of output.
type told struct {
	Event   string `json:"event"`
	Port    int    `json:"port,omitempty"`
	Type    string `json:"type,omitempty"`
	Node    string `json:"node,omitempty"`
	Message string `json:"message,omitempty"`
}

type teller struct {
	mutex sync.Mutex
}

func (t *teller) tell(line told) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(line)
}

// asking is a request of either variant of the protocol.
type asking interface {
	GetTypeUrl() string
	GetErrorDetail() *status.Status
	GetResponseNonce() string
	GetNode() *core.Node
}

func (t *teller) hear(request asking) error {
	switch {
	case request.GetErrorDetail() != nil:
		t.tell(told{Event: "nack", Type: request.GetTypeUrl(), Message: request.GetErrorDetail().GetMessage()})
	case request.GetResponseNonce() != "":
		t.tell(told{Event: "ack", Type: request.GetTypeUrl()})
	default:
		t.tell(told{Event: "request", Type: request.GetTypeUrl(), Node: nodeOf(request.GetNode())})
	}
	return nil
}

// wanted is one line of input: resources by type, each as ProtoJSON.
type wanted struct {
	Node      string                       `json:"node"`
	Version   string                       `json:"version"`
	Resources map[string][]json.RawMessage `json:"resources"`
}

var makers = map[string]func() proto.Message{
	resource.ClusterType:  func() proto.Message { return &cluster.Cluster{} },
	resource.EndpointType: func() proto.Message { return &endpoint.ClusterLoadAssignment{} },
	resource.ListenerType: func() proto.Message { return &listener.Listener{} },
	resource.RouteType:    func() proto.Message { return &route.RouteConfiguration{} },
	resource.SecretType:   func() proto.Message { return &tls.Secret{} },
}

func snapshotOf(line []byte) (string, *cache.Snapshot, error) {
	var given wanted
	if err := json.Unmarshal(line, &given); err != nil {
		return "", nil, err
	}
	resources := map[resource.Type][]types.Resource{}
	for typeURL, texts := range given.Resources {
		make, isKnown := makers[typeURL]
		if !isKnown {
			return "", nil, fmt.Errorf("the type %s is not served", typeURL)
		}
		for _, text := range texts {
			message := make()
			if err := protojson.Unmarshal(text, message); err != nil {
				return "", nil, err
			}
			resources[typeURL] = append(resources[typeURL], message)
		}
	}
	snapshot, err := cache.NewSnapshot(given.Version, resources)
	return given.Node, snapshot, err
}

func run(t *teller) error {
	snapshots := cache.NewSnapshotCache(true, cache.IDHash{}, nil)
	callbacks := server.CallbackFuncs{
		StreamRequestFunc: func(_ int64, request *discovery.DiscoveryRequest) error {
			return t.hear(request)
		},
		StreamDeltaRequestFunc: func(_ int64, request *discovery.DeltaDiscoveryRequest) error {
			return t.hear(request)
		},
	}
	listening, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ground := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(ground, server.NewServer(context.Background(), snapshots, callbacks))
	go func() { _ = ground.Serve(listening) }()
	t.tell(told{Event: "listening", Port: listening.Addr().(*net.TCPAddr).Port})

	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		node, snapshot, err := snapshotOf(lines.Bytes())
		if err == nil {
			err = snapshots.SetSnapshot(context.Background(), node, snapshot)
		}
		if err != nil {
			t.tell(told{Event: "error", Message: err.Error()})
			continue
		}
		t.tell(told{Event: "set"})
	}
	// The end of the input is the end of the program.
	ground.Stop()
	return lines.Err()
}

func nodeOf(node *core.Node) string {
	if node == nil {
		return ""
	}
	return node.GetId()
}

func main() {
	t := &teller{}
	if err := run(t); err != nil {
		t.tell(told{Event: "error", Message: err.Error()})
		os.Exit(1)
	}
}

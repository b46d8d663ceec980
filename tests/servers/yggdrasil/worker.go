package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"flotta.edge/tests/servers/yggdrasil/pb"
)

// A workerPeer is what the two workers have in common: registration and the service that the gateway calls.
type workerPeer struct {
	pb.UnimplementedWorkerServer
	dispatcher pb.DispatcherClient
	config     *pb.Config
	onData     func(*pb.Data)
	onEvent    func(*pb.EventNotification)
	blind      bool // knows no events
}

// Send answers at once; the message is handled afterwards.
func (w *workerPeer) Send(_ context.Context, data *pb.Data) (*pb.Response, error) {
	go w.onData(data)
	return &pb.Response{}, nil
}

func (w *workerPeer) NotifyEvent(ctx context.Context, event *pb.EventNotification) (*pb.EventReceipt, error) {
	if w.blind {
		return w.UnimplementedWorkerServer.NotifyEvent(ctx, event)
	}
	w.onEvent(event)
	return &pb.EventReceipt{}, nil
}

// join registers at YGG_SOCKET_ADDR and serves at the address that it gets.
func (w *workerPeer) join(handler string, detached bool, features map[string]string) error {
	address := os.Getenv("YGG_SOCKET_ADDR")
	if address == "" {
		return fmt.Errorf("YGG_SOCKET_ADDR is not set")
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	w.dispatcher = pb.NewDispatcherClient(connection)
	request := &pb.RegistrationRequest{
		Handler: handler, Pid: int64(os.Getpid()), DetachedContent: detached, Features: features,
	}
	ctx, cancel := context.WithTimeout(context.Background(), registerDeadline)
	defer cancel()
	reply, err := w.dispatcher.Register(ctx, request)
	if err != nil {
		return err
	}
	if !reply.GetRegistered() {
		return fmt.Errorf("the handler %s is not registered", handler)
	}
	listener, err := net.Listen("unix", reply.GetAddress())
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	pb.RegisterWorkerServer(server, w)
	go func() { fail(server.Serve(listener)) }()
	w.config, err = w.dispatcher.GetConfig(ctx, &pb.Empty{})
	if err != nil {
		return err
	}
	say("registered", map[string]any{
		"handler": handler, "address": reply.GetAddress(), "device": w.config.GetClientId(),
		"cert_file": w.config.GetCertFile(), "key_file": w.config.GetKeyFile(),
		"ca_root": w.config.GetCaRoot(), "socket": w.config.GetSocketAddr(),
	})
	return nil
}

// The reference worker has 1 s for each call. This machine runs several suites at once.
const registerDeadline = 10 * time.Second

// post sends a message; the response is the gateway's JSON, empty when there was none.
func (w *workerPeer) post(data *pb.Data, deadline time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	reply, err := w.dispatcher.Send(ctx, data)
	return reply.GetResponse(), err
}

var counting sync.Mutex
var count int

// newID returns another id for each message of this process.
func newID() string {
	counting.Lock()
	defer counting.Unlock()
	count++
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", os.Getpid(), count)
}

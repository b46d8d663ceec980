package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"flotta.edge/tests/servers/yggdrasil/pb"
)

// A configuration is the part of config.toml that such a gateway reads.
type configuration struct {
	LogLevel   string   `toml:"log-level"`
	CertFile   string   `toml:"cert-file"`
	KeyFile    string   `toml:"key-file"`
	CARoot     []string `toml:"ca-root"`
	PathPrefix string   `toml:"path-prefix"`
	ClientID   string   `toml:"client-id"`
	Server     string   `toml:"server"`
	SocketAddr string   `toml:"socket-addr"`
}

// A message is an envelope.
type message struct {
	Type       string            `json:"type"`
	MessageID  string            `json:"message_id"`
	ResponseTo string            `json:"response_to"`
	Version    int               `json:"version"`
	Sent       time.Time         `json:"sent"`
	Directive  string            `json:"directive,omitempty"`
	Metadata   map[string]string `json:"metadata"`
	Content    json.RawMessage   `json:"content"`
}

type registered struct {
	client   pb.WorkerClient
	features map[string]string
	detached bool
}

type gatewayServer struct {
	pb.UnimplementedDispatcherServer
	configuration
	mutex        sync.Mutex
	workers      map[string]registered
	client       *http.Client
	disconnected bool
	sending      sync.Mutex // one POST at a time
}

const (
	sendTimeout   = 20 * time.Second // for which a worker waits for a response
	workerTimeout = 60 * time.Second
)

func gateway(arguments []string) error {
	flags := flag.NewFlagSet("gateway", flag.ExitOnError)
	file := flags.String("config", "/etc/yggdrasil/config.toml", "configuration")
	workers := flags.String("workers", "", "directory of workers to start")
	poll := flags.Duration("poll", 5*time.Second, "between polls")
	flags.Parse(arguments)

	server := &gatewayServer{workers: map[string]registered{}}
	text, err := os.ReadFile(*file)
	if err != nil {
		return err
	}
	if err := toml.Unmarshal(text, &server.configuration); err != nil {
		return err
	}
	if server.SocketAddr == "" {
		server.SocketAddr = "@yggd-dispatcher-" + letters()
	}
	if err := server.reload(); err != nil {
		return err // as such a gateway: it does not start without a pair that fits
	}
	go server.watch()
	listener, err := net.Listen("unix", server.SocketAddr)
	if err != nil {
		return err
	}
	dispatcher := grpc.NewServer()
	pb.RegisterDispatcherServer(dispatcher, server)
	go func() { fail(dispatcher.Serve(listener)) }()
	say("listening", map[string]any{"address": server.SocketAddr})
	server.announce()
	if *workers != "" {
		if err := server.startWorkers(*workers); err != nil {
			return err
		}
	}
	go server.follow("control", *poll, server.command)
	server.follow("data", *poll, server.deliver)
	return nil
}

func letters() string {
	text := make([]byte, 6)
	for i := range text {
		text[i] = byte('a' + rand.Intn(26))
	}
	return string(text)
}

// reload makes the HTTP client from what the files have now.
func (g *gatewayServer) reload() error {
	pair, err := tls.LoadX509KeyPair(g.CertFile, g.KeyFile)
	if err != nil {
		return err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, name := range g.CARoot {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		pool.AppendCertsFromPEM(text)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.client != nil {
		g.client.CloseIdleConnections()
	}
	g.client = &http.Client{Transport: transport}
	say("loaded", map[string]any{"name": pair.Leaf.Subject.CommonName, "serial": pair.Leaf.SerialNumber.Text(16)})
	return nil
}

// watch reloads when one of the files is written: the files themselves are watched, not their directory.
func (g *gatewayServer) watch() {
	handle, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if errors.Is(err, unix.EMFILE) {
		g.look() // a machine has few of them, and test hosts take many
	}
	if err != nil {
		fail(err)
	}
	for _, name := range []string{g.CertFile, g.KeyFile} {
		if _, err := unix.InotifyAddWatch(handle, name, unix.IN_CLOSE_WRITE|unix.IN_DELETE); err != nil {
			fail(err)
		}
	}
	events := make([]byte, 4096)
	for {
		if _, err := unix.Read(handle, events); err != nil && !errors.Is(err, unix.EINTR) {
			fail(err)
		}
		if err := g.reload(); err != nil {
			log.Printf("not reloaded: %v", err)
		}
	}
}

// A reply is what a worker gets of an HTTP response.
type reply struct {
	StatusCode int
	Body       json.RawMessage
	Metadata   map[string]string
}

func (g *gatewayServer) request(method, address string, body io.Reader, headers map[string]string) (*reply, error) {
	request, err := http.NewRequest(method, address, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "yggdrasil/0.2.98")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	g.mutex.Lock()
	client := g.client
	g.mutex.Unlock()
	got, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for name, values := range got.Header {
		fields[name] = strings.Join(values, ";")
	}
	return &reply{got.StatusCode, text, fields}, nil
}

func (g *gatewayServer) address(channel, direction string) string {
	return fmt.Sprintf("https://%s/%s/%s/%s/%s", g.Server, g.PathPrefix, channel, g.ClientID, direction)
}

func (g *gatewayServer) post(channel string, what message) (*reply, error) {
	g.sending.Lock()
	defer g.sending.Unlock()
	if g.isDisconnected() {
		return nil, errors.New("disconnected")
	}
	text, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	return g.request(http.MethodPost, g.address(channel, "out"), bytes.NewReader(text), nil)
}

func (g *gatewayServer) isDisconnected() bool {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	return g.disconnected
}

// follow polls one channel. What has a body is handled whatever the status.
func (g *gatewayServer) follow(channel string, pause time.Duration, handle func(message)) {
	for !g.isDisconnected() {
		got, err := g.request(http.MethodGet, g.address(channel, "in"), nil, nil)
		if err != nil {
			log.Printf("%s: %v", channel, err)
		} else {
			say("polled", map[string]any{"channel": channel, "status": got.StatusCode})
			var what message
			if len(got.Body) > 0 && json.Unmarshal(got.Body, &what) == nil {
				handle(what)
			}
		}
		time.Sleep(pause)
	}
	select {} // until it is started again
}

func (g *gatewayServer) deliver(what message) {
	g.mutex.Lock()
	worker, found := g.workers[what.Directive]
	g.mutex.Unlock()
	if !found {
		log.Printf("no worker for %q", what.Directive)
		return
	}
	data := &pb.Data{
		MessageId: what.MessageID, ResponseTo: what.ResponseTo, Directive: what.Directive,
		Metadata: what.Metadata, Content: what.Content,
	}
	if worker.detached {
		var address string
		if err := json.Unmarshal(what.Content, &address); err != nil {
			log.Print(err)
			return
		}
		got, err := g.request(http.MethodGet, address, nil, nil)
		if err != nil {
			log.Print(err)
			return
		}
		data.Content = got.Body
	}
	ctx, cancel := context.WithTimeout(context.Background(), workerTimeout)
	defer cancel()
	if _, err := worker.client.Send(ctx, data); err != nil {
		log.Print(err)
		return
	}
	say("delivered", map[string]any{"directive": what.Directive})
}

func (g *gatewayServer) command(what message) {
	var order struct {
		Command   string            `json:"command"`
		Arguments map[string]string `json:"arguments"`
	}
	if what.Type != "command" || json.Unmarshal(what.Content, &order) != nil {
		return
	}
	say("command", map[string]any{"command": order.Command})
	switch order.Command {
	case "ping":
		g.event("pong")
	case "reconnect":
		seconds, _ := strconv.Atoi(order.Arguments["delay"])
		time.Sleep(time.Duration(seconds) * time.Second)
	case "disconnect":
		g.disconnect()
	}
}

func (g *gatewayServer) disconnect() {
	g.mutex.Lock()
	workers := map[string]registered{}
	for name, worker := range g.workers {
		workers[name] = worker
	}
	g.mutex.Unlock()
	for name, worker := range workers {
		ctx, cancel := context.WithTimeout(context.Background(), workerTimeout)
		_, err := worker.client.NotifyEvent(ctx, &pb.EventNotification{Name: pb.Event_RECEIVED_DISCONNECT})
		cancel()
		say("told", map[string]any{"handler": name, "error": fmt.Sprint(err)})
	}
	g.event("disconnect")
	g.mutex.Lock()
	g.disconnected = true
	g.mutex.Unlock()
	say("disconnected", nil)
}

func (g *gatewayServer) event(name string) {
	content, _ := json.Marshal(name)
	g.control("event", content)
}

func (g *gatewayServer) control(kind string, content json.RawMessage) {
	what := message{Type: kind, MessageID: newID(), Version: 1, Sent: time.Now(), Content: content}
	if _, err := g.post("control", what); err != nil {
		log.Printf("%s: %v", kind, err)
	}
}

// announce reports which workers there are.
func (g *gatewayServer) announce() {
	g.mutex.Lock()
	dispatchers := map[string]map[string]string{}
	for name, worker := range g.workers {
		dispatchers[name] = worker.features
	}
	g.mutex.Unlock()
	content, _ := json.Marshal(map[string]any{
		"canonical_facts": map[string]any{}, "dispatchers": dispatchers, "state": "online", "tags": map[string]string{},
	})
	g.control("connection-status", content)
}

func (g *gatewayServer) Register(_ context.Context, asked *pb.RegistrationRequest) (*pb.RegistrationResponse, error) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if _, taken := g.workers[asked.GetHandler()]; taken {
		return &pb.RegistrationResponse{Registered: false}, nil
	}
	address := "@ygg-" + asked.GetHandler() + "-" + letters()
	connection, err := grpc.NewClient("unix:"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	g.workers[asked.GetHandler()] = registered{
		pb.NewWorkerClient(connection), asked.GetFeatures(), asked.GetDetachedContent(),
	}
	say("registered", map[string]any{"handler": asked.GetHandler(), "pid": asked.GetPid(), "address": address})
	go g.announce()
	go g.release(asked.GetHandler(), int(asked.GetPid()))
	return &pb.RegistrationResponse{Registered: true, Address: address}, nil
}

// release forgets a worker when its process has ended.
func (g *gatewayServer) release(handler string, pid int) {
	if handle, err := unix.PidfdOpen(pid, 0); err == nil {
		waiting := []unix.PollFd{{Fd: int32(handle), Events: unix.POLLIN}}
		for {
			if _, err := unix.Poll(waiting, -1); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		unix.Close(handle)
	}
	g.mutex.Lock()
	delete(g.workers, handler)
	g.mutex.Unlock()
	say("released", map[string]any{"handler": handler})
	g.announce()
}

func (g *gatewayServer) GetConfig(context.Context, *pb.Empty) (*pb.Config, error) {
	return &pb.Config{
		LogLevel: g.LogLevel, ClientId: g.ClientID, SocketAddr: g.SocketAddr, Server: g.Server,
		CertFile: g.CertFile, KeyFile: g.KeyFile, CaRoot: strings.Join(g.CARoot, ";"),
	}, nil
}

// Send posts a message to the Edge API, or to a URL, and returns what came back.
func (g *gatewayServer) Send(_ context.Context, data *pb.Data) (*pb.Response, error) {
	if strings.Contains(data.GetDirective(), "://") {
		got, err := g.request(http.MethodPost, data.GetDirective(), bytes.NewReader(data.GetContent()), data.GetMetadata())
		if err != nil {
			return nil, status.Error(codes.Unknown, err.Error())
		}
		return got.forWorker(), nil
	}
	content := json.RawMessage(data.GetContent())
	if len(content) == 0 {
		content = json.RawMessage("null")
	}
	answered := make(chan *pb.Response, 1)
	go func() {
		got, err := g.post("data", message{
			Type: "data", MessageID: data.GetMessageId(), ResponseTo: data.GetResponseTo(), Version: 1,
			Sent: time.Now(), Directive: data.GetDirective(), Metadata: data.GetMetadata(), Content: content,
		})
		if err != nil {
			log.Printf("%s: %v", data.GetDirective(), err)
			answered <- &pb.Response{}
			return
		}
		say("posted", map[string]any{"directive": data.GetDirective(), "status": got.StatusCode})
		answered <- got.forWorker()
	}()
	select {
	case got := <-answered:
		return got, nil
	case <-time.After(sendTimeout):
		return &pb.Response{}, nil
	}
}

// forWorker returns the JSON for a worker; nothing when the body is not JSON.
func (r *reply) forWorker() *pb.Response {
	if len(r.Body) == 0 {
		r.Body = nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		return &pb.Response{}
	}
	return &pb.Response{Response: text}
}

// look reloads when one of the files is another than a moment ago, for ever.
func (g *gatewayServer) look() {
	var known string
	for {
		var seen string
		for _, name := range []string{g.CertFile, g.KeyFile} {
			if info, err := os.Stat(name); err == nil {
				seen += fmt.Sprintf("%v %d ", info.ModTime().UnixNano(), info.Size())
			}
		}
		if known != "" && seen != known {
			if err := g.reload(); err != nil {
				log.Printf("not reloaded: %v", err)
			}
		}
		known = seen
		time.Sleep(100 * time.Millisecond)
	}
}

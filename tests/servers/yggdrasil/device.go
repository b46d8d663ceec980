package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"os"
	"time"

	"flotta.edge/tests/servers/yggdrasil/pb"
)

// A response is what the gateway makes of an HTTP response.
type response struct {
	StatusCode int
	Body       json.RawMessage
	Metadata   map[string]string
}

type deviceWorker struct {
	*workerPeer
	retry    time.Duration
	deadline time.Duration
	version  string
}

// device enrols, registers, and sends heartbeats with the version of the configuration that it got. Where the
// gateway names a key file, it makes key and certificate request and writes what it gets, as agents of v0.2 do.
func device(arguments []string) error {
	flags := flag.NewFlagSet("device", flag.ExitOnError)
	retry := flags.Duration("retry", 10*time.Second, "between attempts to register")
	period := flags.Duration("period", time.Second, "of heartbeats")
	deadline := flags.Duration("deadline", time.Second, "of each message")
	flags.Parse(arguments)

	worker := &deviceWorker{&workerPeer{}, *retry, *deadline, ""}
	configured := make(chan string, 16)
	worker.onData = func(data *pb.Data) {
		var configuration struct {
			Version string `json:"version"`
		}
		if err := json.Unmarshal(data.GetContent(), &configuration); err != nil {
			fail(err)
		}
		say("configured", map[string]any{"version": configuration.Version})
		configured <- configuration.Version
	}
	worker.onEvent = func(event *pb.EventNotification) {
		say("notified", map[string]any{"event": event.GetName().String()})
	}
	if err := worker.join("device", false, nil); err != nil {
		return err
	}
	for !worker.register() {
		time.Sleep(worker.retry)
	}
	for {
		select {
		case worker.version = <-configured:
		case <-time.After(*period):
		}
		worker.tell("heartbeat", map[string]any{
			"status": "up", "version": worker.version, "workloads": nil, "events": nil, "playbook-executions": nil,
		})
	}
}

// tell sends a message; nil when there was no response.
func (w *deviceWorker) tell(directive string, what any) *response {
	text, err := json.Marshal(what)
	if err != nil {
		fail(err)
	}
	reply, err := w.post(&pb.Data{MessageId: newID(), Directive: directive, Content: text}, w.deadline)
	if err != nil || len(reply) == 0 {
		say("unanswered", map[string]any{"directive": directive, "error": fmt.Sprint(err)})
		return nil
	}
	var got response
	if err := json.Unmarshal(reply, &got); err != nil {
		fail(fmt.Errorf("%s: %w", reply, err))
	}
	say("answered", map[string]any{"directive": directive, "status": got.StatusCode})
	return &got
}

func (w *deviceWorker) register() bool {
	hardware := map[string]any{"hostname": "press-03", "cpu": map[string]any{"architecture": "x86_64", "flags": []string{}}}
	enrolled := w.tell("enrolment", map[string]any{
		"target_namespace": "default", "features": map[string]any{"hardware": hardware},
	})
	if enrolled == nil || enrolled.StatusCode != 208 {
		return false
	}
	what := map[string]any{"hardware": hardware}
	var key crypto.Signer
	if w.config.GetKeyFile() != "" {
		key = w.newKey()
		what["certificate_request"] = w.request(key)
	}
	registered := w.tell("registration", what)
	if registered == nil || registered.StatusCode != 200 {
		return false
	}
	if key != nil {
		w.install(key, registered.Body)
	}
	return true
}

// newKey returns the current key, or a new one of its algorithm while the certificate is the one for registration.
func (w *deviceWorker) newKey() crypto.Signer {
	pair, err := tls.LoadX509KeyPair(w.config.GetCertFile(), w.config.GetKeyFile())
	if err != nil {
		fail(err)
	}
	var fresh crypto.Signer
	switch current := pair.PrivateKey.(type) {
	case *rsa.PrivateKey:
		fresh, err = rsa.GenerateKey(rand.Reader, 4096)
	default:
		fresh, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if pair.Leaf.Subject.CommonName != "register" {
			fresh = current.(crypto.Signer)
		}
	}
	if err != nil {
		fail(err)
	}
	return fresh
}

func (w *deviceWorker) request(key crypto.Signer) string {
	subject := pkix.Name{CommonName: w.config.GetClientId()}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject}, key)
	if err != nil {
		fail(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func (w *deviceWorker) install(key crypto.Signer, body json.RawMessage) {
	var answer struct {
		Content struct {
			Certificate string `json:"certificate"`
		} `json:"content"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		fail(err)
	}
	block := &pem.Block{}
	switch private := key.(type) {
	case *rsa.PrivateKey:
		block.Type, block.Bytes = "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(private)
	case *ecdsa.PrivateKey:
		der, err := x509.MarshalECPrivateKey(private)
		if err != nil {
			fail(err)
		}
		block.Type, block.Bytes = "EC PRIVATE KEY", der
	}
	for _, file := range []struct {
		name    string
		content []byte
	}{{w.config.GetCertFile(), []byte(answer.Content.Certificate)}, {w.config.GetKeyFile(), pem.EncodeToMemory(block)}} {
		if err := os.WriteFile(file.name, file.content, 0o600); err != nil {
			fail(err)
		}
	}
}

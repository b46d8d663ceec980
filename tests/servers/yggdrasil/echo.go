package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"time"

	"flotta.edge/tests/servers/yggdrasil/pb"
)

// An order is a line of standard input: what to send.
type order struct {
	Directive  string            `json:"directive"`
	Content    json.RawMessage   `json:"content"`
	Metadata   map[string]string `json:"metadata"`
	ResponseTo string            `json:"response_to"`
	Seconds    float64           `json:"seconds"` // deadline
}

// echo sends back whatever it gets, with the directive that --answer names, and what it is told to send.
func echo(arguments []string) error {
	flags := flag.NewFlagSet("echo", flag.ExitOnError)
	handler := flags.String("handler", "echo", "name under which it registers")
	answer := flags.String("answer", "", "directive with which content is sent back; none for not at all")
	detached := flags.Bool("detached", false, "ask for detached content")
	blind := flags.Bool("blind", false, "know no events")
	features := flags.String("features", "", "NAME=VALUE,…")
	flags.Parse(arguments)

	worker := &workerPeer{blind: *blind}
	worker.onData = func(data *pb.Data) {
		say("received", map[string]any{
			"directive": data.GetDirective(), "content": content(data.GetContent()),
			"metadata": data.GetMetadata(), "message_id": data.GetMessageId(),
		})
		if *answer != "" {
			worker.send(order{Directive: *answer, Content: data.GetContent(), ResponseTo: data.GetMessageId()})
		}
	}
	worker.onEvent = func(event *pb.EventNotification) {
		say("notified", map[string]any{
			"event": event.GetName().String(), "detail": event.GetDetail(), "metadata": event.GetMetadata(),
		})
	}
	if err := worker.join(*handler, *detached, pairs(*features)); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var told order
		if err := json.Unmarshal(lines.Bytes(), &told); err != nil {
			return err
		}
		worker.send(told)
	}
	return lines.Err()
}

func (w *workerPeer) send(what order) {
	deadline := 20 * time.Second
	if what.Seconds != 0 {
		deadline = time.Duration(what.Seconds * float64(time.Second))
	}
	reply, err := w.post(&pb.Data{
		MessageId: newID(), Directive: what.Directive, Content: what.Content,
		Metadata: what.Metadata, ResponseTo: what.ResponseTo,
	}, deadline)
	fields := map[string]any{"directive": what.Directive, "response": content(reply)}
	if err != nil {
		fields["error"] = err.Error()
	}
	say("answered", fields)
}

// content returns bytes as JSON if they are, as text if not, nothing for none.
func content(data []byte) any {
	if len(data) == 0 {
		return nil
	}
	if json.Valid(data) {
		return json.RawMessage(data)
	}
	return string(data)
}

func pairs(text string) map[string]string {
	found := map[string]string{}
	for _, pair := range strings.Split(text, ",") {
		if name, value, is := strings.Cut(pair, "="); is {
			found[name] = value
		}
	}
	return found
}

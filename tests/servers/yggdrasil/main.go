// Gateway and workers that speak the gRPC protocol of yggdrasil as the generation of Flotta v0.2
// does, for the tests. Written from the interface alone: what they do is what
// docs/reference/device.md#other-gateways and docs/reference/wire-protocol.md describe.
//
//	yggdrasil gateway --config FILE [--workers DIR]    like yggd with the protocol http
//	yggdrasil echo --handler NAME …                    a worker that is steered by its standard input
//	yggdrasil device                                   a worker that enrols, registers, has heartbeats
//
// Each prints a line of JSON for what happens; people read standard error.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

var output sync.Mutex

// say prints what happened: a name and its fields.
func say(happened string, fields map[string]any) {
	line := map[string]any{"happened": happened}
	for name, value := range fields {
		line[name] = value
	}
	text, err := json.Marshal(line)
	if err != nil {
		fail(err)
	}
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(text))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func main() {
	programs := map[string]func([]string) error{"gateway": gateway, "echo": echo, "device": device}
	if len(os.Args) < 2 || programs[os.Args[1]] == nil {
		fail(fmt.Errorf("usage: %s gateway|echo|device …", os.Args[0]))
	}
	if err := programs[os.Args[1]](os.Args[2:]); err != nil {
		fail(err)
	}
}

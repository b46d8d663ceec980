package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// A workerFile describes a worker that the gateway starts.
type workerFile struct {
	Exec     string   `toml:"exec"`
	Protocol string   `toml:"protocol"`
	Env      []string `toml:"env"`
}

var dropped = regexp.MustCompile(`PATH=.*|YGG_.*=.*`)

// startWorkers starts what each file of a directory describes, and starts it again when it ends.
func (g *gatewayServer) startWorkers(directory string) error {
	files, err := filepath.Glob(filepath.Join(directory, "*.toml"))
	if err != nil {
		return err
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var worker workerFile
		if err := toml.Unmarshal(text, &worker); err != nil {
			return err
		}
		if worker.Protocol == "grpc" {
			go g.supervise(worker)
		}
	}
	return nil
}

func (g *gatewayServer) supervise(worker workerFile) {
	runtime.LockOSThread() // the worker ends with the thread that started it, and so with this process
	for {
		words := strings.Split(worker.Exec, " ")
		command := exec.Command(words[0], words[1:]...)
		command.Env = g.environment(worker)
		command.Stdout, command.Stderr = os.Stderr, os.Stderr
		command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := command.Start(); err != nil {
			fail(err)
		}
		say("started", map[string]any{"exec": worker.Exec, "pid": command.Process.Pid})
		command.Wait()
		time.Sleep(time.Second)
	}
}

func (g *gatewayServer) environment(worker workerFile) []string {
	found := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"YGG_SOCKET_ADDR=unix:" + g.SocketAddr,
		"YGG_CONFIG_DIR=/etc/yggdrasil",
		"YGG_LOG_LEVEL=" + g.LogLevel,
		"YGG_CLIENT_ID=" + g.ClientID,
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		if value, is := os.LookupEnv(name); is {
			found = append(found, name+"="+value)
		}
	}
	for _, pair := range worker.Env {
		if !dropped.MatchString(pair) {
			found = append(found, pair)
		}
	}
	return found
}

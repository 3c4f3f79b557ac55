// Netbox runs unmodified Linux programs on a network of their own, without
// root, namespaces or kernel modules.
//
// This package is the command line: one file a verb, and box.go, which puts
// the rooms together. Exit codes follow the shell: the program's own, 128+N
// when signal N killed it, 127 if it was not found, 126 if it could not be
// executed, and 125 when netbox itself failed.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/urfave/cli/v2"

	"netbox/tracer"
)

// The tracer needs the main thread: EXITKILL follows the thread that traces.
func init() { runtime.LockOSThread() }

// exitFailure is netbox's own failure, as env(1) and docker-run(1) use it.
const exitFailure = 125

func main() {
	tracer.Init()
	err := app().Run(os.Args)
	var status exitStatus
	switch {
	case err == nil:
	case errors.As(err, &status):
		status.exit()
	default:
		fmt.Fprintln(os.Stderr, "netbox:", err)
		os.Exit(exitFailure)
	}
}

func app() *cli.App {
	return &cli.App{
		Name:  "netbox",
		Usage: "run any Linux program on a private network of its own, without root or namespaces",
		Description: `Examples:
  netbox run -- ping -c 3 8.8.8.8                     real echo through the host's network
  netbox run --uplink none -- ./untrusted             no network but its own loopback
  netbox run --uplink sim -- curl http://example.test/  a built-in internet, offline
  netbox run -p 8080:80 -- nginx -g 'daemon off;'     publish a port of the sandbox
  netbox doctor                                       what works on this machine`,
		Commands:        []*cli.Command{runCommand(), doctorCommand(), versionCommand()},
		ExitErrHandler:  func(*cli.Context, error) {},
		OnUsageError:    func(_ *cli.Context, err error, _ bool) error { return usageError(err) },
		HideHelpCommand: true,
	}
}

func usageError(err error) error {
	return fmt.Errorf("%w (see 'netbox run --help')", err)
}

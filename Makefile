# netbox: build, test and show it. `make demo` and `make test` are meant to be
# the first two commands on a fresh machine with Go, make and git.

PREFIX   ?= /usr/local
BIN      ?= bin
FUZZTIME ?= 30s
VERSION  ?= $(shell git describe --always --dirty 2>/dev/null || echo devel)

# A clone that belongs to another user must build: git refuses to tell its
# version then, so it comes by VERSION alone.
export GOFLAGS := $(GOFLAGS) -buildvcs=false
export FUZZTIME

# Go wants a place for its caches, also where HOME is not set.
ifeq ($(HOME),)
export HOME := $(CURDIR)/build/home
endif

# netbox looks at the signals that it was started with before Go's runtime
# changes them (tracer/given.go): its entry point is its own.
ENTRY := -E=netbox_start

# Packages build and test in parallel; the end-to-end ones among them wait for
# the network more than they compute. The timeout is a package's, and there to
# end a hang: test/dual takes three minutes on two idle processors, and more
# than ten was seen on busy ones.
TESTFLAGS ?= -timeout 40m

.PHONY: build helper build-race install demo test race fuzz bench bench-quick conformance lint deps deps-demo deps-bench clean

# Without the tag each start makes urfave/cli's writer of manuals ready, 0.7 ms.
build: helper
	CGO_ENABLED=0 go build -tags urfave_cli_no_docs -trimpath -ldflags '-s -w -X main.version=$(VERSION) $(ENTRY)' -o $(BIN)/ ./cmd/netbox

helper:
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $(BIN)/ ./cmd/netbox-icmp

# What test/bed builds when the tests are: the race detector needs cgo. The
# helper is as ever: the seccomp filter that it loads has none of the
# detector's calls.
build-race: helper
	CGO_ENABLED=1 go build -race -ldflags '-X main.version=$(VERSION) $(ENTRY)' -o $(BIN)/ ./cmd/netbox

install: build
	scripts/install $(PREFIX)

demo: deps-demo build
	scripts/capability bin/netbox-icmp
	scripts/demo

test: deps build lint
	scripts/test $(TESTFLAGS)

# netbox itself is built for the race detector here, too (build-race), and what it
# reports fails the test that ran it.
race: deps
	go test -race -timeout 60m ./...

fuzz: deps
	scripts/fuzz

# Under a quarter of an hour, and the results are the repository's; bench-quick is for work,
# takes under three minutes, and leaves its own in build.
bench: deps-bench build build/bench
	scripts/contained build/bench -o docs/bench

bench-quick: deps-bench build build/bench
	scripts/contained build/bench -quick

# Static: it is a client of itself, too, which netbox runs.
.PHONY: build/bench
build/bench:
	CGO_ENABLED=0 go build -o build/bench ./test/bench

conformance: deps build
	go test ./test/conformance -count=1 -timeout 60m -v -all

lint:
	scripts/lint

deps:
	@scripts/deps test

deps-demo:
	@scripts/deps demo

deps-bench:
	@scripts/deps bench

clean:
	rm -rf bin build

package procfs

import (
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strconv"
	"strings"

	"netbox/netemu/netdev"
	"netbox/netemu/stack"
)

// attribute is a file of an interface's directory in sysfs
// (net/core/net-sysfs.c), without its newline; nil: an empty one. Files that
// fail to be read for these interfaces (speed, duplex) are missing.
type attribute struct {
	name string
	mode fs.FileMode
	text func(stack.Interface) string
}

func constant(text string) func(stack.Interface) string {
	return func(stack.Interface) string { return text }
}

func number(get func(stack.Interface) uint64) func(stack.Interface) string {
	return func(i stack.Interface) string { return utoa(get(i)) }
}

func utoa(n uint64) string { return strconv.FormatUint(n, 10) }

func choose(i stack.Interface, lo, other string) string {
	if i.Loopback {
		return lo
	}
	return other
}

const (
	readable = fs.FileMode(0o444)
	settable = fs.FileMode(0o644)
)

// attributes are the files of each interface but those of its counters.
var attributes = []attribute{
	{"addr_assign_type", readable, func(i stack.Interface) string { return choose(i, "0", "3") }}, // NET_ADDR_PERM, NET_ADDR_SET
	{"addr_len", readable, constant(strconv.Itoa(netdev.HardwareAddrLen))},
	{"address", readable, func(i stack.Interface) string { return net.HardwareAddr(i.HardwareAddr[:]).String() }},
	{"broadcast", readable, func(i stack.Interface) string {
		b := netdev.HardwareBroadcast(i)
		return net.HardwareAddr(b[:]).String()
	}},
	{"carrier", settable, func(i stack.Interface) string { return upOr(i, "1", "0") }},
	{"carrier_changes", readable, constant("0")},
	{"carrier_down_count", readable, constant("0")},
	{"carrier_up_count", readable, constant("0")},
	{"dev_id", readable, constant("0x0")},
	{"dev_port", readable, constant("0")},
	{"dormant", readable, constant("0")},
	{"flags", settable, func(i stack.Interface) string { return fmt.Sprintf("0x%x", netdev.Flags(i)&settableFlags) }},
	{"gro_flush_timeout", settable, constant("0")},
	{"ifalias", settable, func(i stack.Interface) string { return i.Alias }},
	{"ifindex", readable, func(i stack.Interface) string { return strconv.Itoa(int(i.Index)) }},
	{"iflink", readable, func(i stack.Interface) string { return strconv.Itoa(int(i.Index)) }},
	{"link_mode", readable, constant("0")},
	{"mtu", settable, func(i stack.Interface) string { return strconv.Itoa(i.MTU) }},
	{"name_assign_type", readable, func(i stack.Interface) string { return choose(i, "2", "3") }}, // predictable, by the user
	{"napi_defer_hard_irqs", settable, constant("0")},
	{"netdev_group", settable, func(i stack.Interface) string { return strconv.FormatUint(uint64(i.Group), 10) }},
	{"operstate", readable, func(i stack.Interface) string { return choose(i, "unknown", upOr(i, "up", "down")) }},
	{"proto_down", settable, constant("0")},
	{"testing", readable, constant("0")},
	{"threaded", settable, constant("0")},
	{"tx_queue_len", settable, func(i stack.Interface) string { return strconv.Itoa(i.TxQueueLen) }},
	{"type", readable, func(i stack.Interface) string { return strconv.Itoa(int(netdev.HardwareType(i))) }},
	{"uevent", settable, func(i stack.Interface) string { return fmt.Sprintf("INTERFACE=%s\nIFINDEX=%d", i.Name, i.Index) }},
}

// settableFlags are those of netdev.Flags that dev->flags has: not IFF_RUNNING
// and IFF_LOWER_UP, which are made up for netlink and ioctls.
const settableFlags = 0xffff &^ 0x40

func upOr(i stack.Interface, up, down string) string {
	if i.Up {
		return up
	}
	return down
}

// statistics are the files of the counters; others than these are 0.
var statistics = map[string]func(stack.Interface) uint64{
	"rx_bytes":   func(i stack.Interface) uint64 { return i.Stats.RxBytes },
	"rx_packets": func(i stack.Interface) uint64 { return i.Stats.RxPackets },
	"rx_errors":  func(i stack.Interface) uint64 { return i.Stats.RxErrors },
	"rx_dropped": func(i stack.Interface) uint64 { return i.Stats.RxDropped },
	"tx_bytes":   func(i stack.Interface) uint64 { return i.Stats.TxBytes },
	"tx_packets": func(i stack.Interface) uint64 { return i.Stats.TxPackets },
	"tx_errors":  func(i stack.Interface) uint64 { return i.Stats.TxErrors },
	"tx_dropped": func(i stack.Interface) uint64 { return i.Stats.TxDropped },
}

var zeroStatistics = []string{
	"collisions", "multicast", "rx_compressed", "rx_crc_errors", "rx_fifo_errors", "rx_frame_errors", "rx_length_errors",
	"rx_missed_errors", "rx_nohandler", "rx_over_errors", "tx_aborted_errors", "tx_carrier_errors", "tx_compressed",
	"tx_fifo_errors", "tx_heartbeat_errors", "tx_window_errors",
}

const statisticsDir = "statistics/"

// subsystem is the link from an interface's directory to that of its class.
const subsystem = "subsystem"

func deviceNames(s Source) []string {
	var names []string
	for _, i := range s.Interfaces() {
		for _, a := range attributes {
			names = append(names, i.Name+"/"+a.name)
		}
		for name := range statistics {
			names = append(names, i.Name+"/"+statisticsDir+name)
		}
		for _, name := range zeroStatistics {
			names = append(names, i.Name+"/"+statisticsDir+name)
		}
		names = append(names, i.Name+"/"+subsystem)
	}
	return names
}

func deviceNode(s Source, name string) (Node, bool) {
	device, file, _ := strings.Cut(name, "/")
	i, ok := byName(s, device)
	if !ok {
		return Node{}, false
	}
	if file == subsystem {
		return Node{Mode: fs.ModeSymlink | 0o777, Link: "../../../../class/net"}, true
	}
	node := func(mode fs.FileMode, text func(stack.Interface) string) (Node, bool) {
		return Node{Mode: mode, read: func(Source) []byte {
			if line := text(i); line != "" {
				return []byte(line + "\n")
			}
			return nil
		}}, true
	}
	if counter, ok := strings.CutPrefix(file, statisticsDir); ok {
		if get := statistics[counter]; get != nil {
			return node(readable, number(get))
		}
		if slices.Contains(zeroStatistics, counter) {
			return node(readable, constant("0"))
		}
	}
	for _, a := range attributes {
		if a.name == file {
			return node(a.mode, a.text)
		}
	}
	return Node{}, false
}

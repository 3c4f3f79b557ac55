package netlink

import (
	"math"

	nl "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// rule is a row of the policy database that Linux starts with
// (fib_default_rules_init, net/ipv4/fib_rules.c and net/ipv6/fib6_rules.c).
type rule struct {
	family, table uint8
	priority      uint32
}

var rules = []rule{
	{unix.AF_INET, unix.RT_TABLE_LOCAL, 0},
	{unix.AF_INET, unix.RT_TABLE_MAIN, 32766},
	{unix.AF_INET, unix.RT_TABLE_DEFAULT, 32767},
	{unix.AF_INET6, unix.RT_TABLE_LOCAL, 0},
	{unix.AF_INET6, unix.RT_TABLE_MAIN, 32766},
}

// sizeofFibRuleHdr is sizeof(struct fib_rule_hdr) (<linux/fib_rules.h>), in
// bytes.
const sizeofFibRuleHdr = 12

// dumpRules answers a RTM_GETRULE dump, as fib_nl_dumprule does.
func dumpRules(r *request) (rows, *refusal) {
	if failure := strictRules(r); r.strict && failure != nil {
		return rows{}, failure
	}
	family := r.body[0]
	if family != unix.AF_UNSPEC && family != unix.AF_INET && family != unix.AF_INET6 {
		return rows{}, refuse(unix.EAFNOSUPPORT, "")
	}
	var answer rows
	for _, rule := range rules {
		if family == unix.AF_UNSPEC || family == rule.family {
			answer.list = append(answer.list, rule.row())
		}
	}
	return answer, nil
}

func strictRules(r *request) *refusal {
	if len(r.body) < sizeofFibRuleHdr {
		return refuse(unix.EINVAL, "Invalid header for fib rule dump request")
	}
	for _, b := range r.body[1:sizeofFibRuleHdr] {
		if b != 0 {
			return refuse(unix.EINVAL, "Invalid values in header for fib rule dump request")
		}
	}
	if len(r.body) > sizeofFibRuleHdr {
		return refuse(unix.EINVAL, "Invalid data after header in fib rule dump request")
	}
	return nil
}

func (ru rule) row() row {
	attrs := encode(func(ae *nl.AttributeEncoder) {
		ae.Uint32(unix.FRA_TABLE, uint32(ru.table))
		ae.Uint32(unix.FRA_SUPPRESS_PREFIXLEN, math.MaxUint32)
		ae.Uint8(unix.FRA_PROTOCOL, unix.RTPROT_KERNEL)
		if ru.priority != 0 {
			ae.Uint32(unix.FRA_PRIORITY, ru.priority)
		}
	})
	header := []byte{ru.family, 0, 0, 0, ru.table, 0, 0, unix.FR_ACT_TO_TBL, 0, 0, 0, 0}
	return row{unix.RTM_NEWRULE, append(header, attrs...)}
}

package main

import "fmt"

// unit is what a row's figures are.
type unit string

const (
	nanoseconds unit = "ns"
	perSecond   unit = "1/s"
	bytesSecond unit = "B/s"
	bytesHeld   unit = "B"
	things      unit = "1"
)

// share is how much of native's pace is left: 1 is native, less is slower.
func (u unit) share(native, value float64) float64 {
	if u == nanoseconds || u == bytesHeld || u == things {
		return native / value
	}
	return value / native
}

// scale is what figures of v's size are printed in: their divisor, name and
// decimals.
type scale struct {
	divisor  float64
	name     string
	decimals int
}

func (u unit) scale(v float64) scale {
	switch {
	case u == things:
		return scale{1, "", 2}
	case u == bytesHeld && v < 1<<20:
		return scale{1 << 10, " KiB", 1}
	case u == bytesHeld:
		return scale{1 << 20, " MiB", 1}
	case u == bytesSecond:
		return scale{1e9, " GB/s", 2}
	case u == perSecond:
		return scale{1, "/s", 0}
	case v >= 1e6:
		return scale{1e6, " ms", 1}
	case v >= 1e4:
		return scale{1e3, " µs", 1}
	}
	return scale{1, " ns", 0}
}

// format prints the median and, in the same unit, the least and the most.
func (u unit) format(median, least, most float64) string {
	s := u.scale(median)
	return fmt.Sprintf("%.*f%s (%.*f–%.*f)", s.decimals, median/s.divisor, s.name,
		s.decimals, least/s.divisor, s.decimals, most/s.divisor)
}

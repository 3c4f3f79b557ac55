package main

import "fmt"

// unit is what a row's figures are.
type unit string

const (
	nanoseconds unit = "ns"
	perSecond   unit = "1/s"
	bytesSecond unit = "B/s"
	bytesHeld   unit = "B"
)

// share is how much of native's pace is left: 1 is native, less is slower.
func (u unit) share(native, value float64) float64 {
	if u == nanoseconds {
		return native / value
	}
	return value / native
}

func (u unit) format(v float64) string {
	switch {
	case u == bytesHeld:
		return fmt.Sprintf("%.1f MiB", v/(1<<20))
	case u == bytesSecond:
		return fmt.Sprintf("%.2f GB/s", v/1e9)
	case u == perSecond:
		return fmt.Sprintf("%.0f/s", v)
	case v >= 1e6:
		return fmt.Sprintf("%.1f ms", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.1f µs", v/1e3)
	}
	return fmt.Sprintf("%.0f ns", v)
}

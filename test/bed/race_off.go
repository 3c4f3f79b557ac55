//go:build !race

package bed

// The tests are not built for the race detector, nor is netbox.
const (
	raceBuild   = false
	buildTarget = "build"
)

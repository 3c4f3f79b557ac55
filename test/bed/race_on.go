//go:build race

package bed

// The tests are built for the race detector, and so is netbox.
const (
	raceBuild   = true
	buildTarget = "build-race"
)

//go:build race

package bed

const (
	// Race tells whether the tests are built for the race detector, and so netbox.
	Race        = true
	buildTarget = "build-race"
)

package netemu

import "netbox/trap"

// parseLegacyOpening reads the arguments of the calls that openat(2) stands
// for: arm64 has none.
func parseLegacyOpening(trap.Call) (opening, bool) { return opening{}, false }

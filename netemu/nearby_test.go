package netemu

import (
	"testing"
	"time"
)

// TestNearby: an answer ends a wait, and waits in vain end by themselves and then are
// few; answers make them good again.
func TestNearby(t *testing.T) {
	var n nearby
	wake := make(chan struct{}, 1)
	calls := 0
	n.await(wake, func() bool {
		if calls++; calls == 3 {
			return true
		}
		token(wake)
		return false
	})
	if calls != 3 || n.Owed() != 0 {
		t.Errorf("%d looks, debt %v", calls, n.Owed())
	}
	never := func() bool { return false }
	for range 10 * nearbyDebt / nearbyLimit {
		n.await(nil, never)
	}
	if n.Skipped() == 0 || n.Owed() > nearbyDebt+nearbyLimit {
		t.Errorf("%d waits left out, debt %v", n.Skipped(), n.Owed())
	}
	for range nearbyDebt / nearbyCredit {
		n.Add(-nearbyCredit)
	}
	if !n.may(time.Now()) {
		t.Errorf("no wait after many answers, debt %v", n.Owed())
	}
}

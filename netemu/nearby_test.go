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
	if calls != 3 || n.debt != 0 {
		t.Errorf("%d looks, debt %v", calls, n.debt)
	}
	never := func() bool { return false }
	for range 10 * nearbyDebt / nearbyLimit {
		n.await(nil, never)
	}
	if n.skipped == 0 || n.debt > nearbyDebt+nearbyLimit {
		t.Errorf("%d waits left out, debt %v", n.skipped, n.debt)
	}
	for range nearbyDebt / nearbyCredit {
		n.pay(nearbyCredit)
	}
	if !n.may(time.Now()) {
		t.Errorf("no wait after many answers, debt %v", n.debt)
	}
}

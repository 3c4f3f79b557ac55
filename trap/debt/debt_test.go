package debt

import (
	"testing"
	"time"
)

// TestDebt: waits in vain take a small part of the time, a pause or a success lets them
// be again.
func TestDebt(t *testing.T) {
	const most, wait, step = 10 * time.Millisecond, time.Millisecond, 10 * time.Microsecond
	var d Debt
	now := time.Now()
	begin, waited, refused := now, time.Duration(0), uint64(0)
	for range 1 << 18 {
		if _, ok := d.Left(now, most, 0); ok {
			now, waited = now.Add(wait), waited+wait
			d.Add(wait)
		} else {
			refused++
		}
		now = now.Add(step)
	}
	if bound := most + wait + now.Sub(begin)/Share; waited > bound || refused == 0 || d.Skipped() != refused {
		t.Errorf("waited %v of %v, %d refused, want at most %v", waited, now.Sub(begin), refused, bound)
	}
	if left, ok := d.Left(now, most, most/2); ok {
		t.Errorf("%v are left, and enough", left)
	}
	d.Add(-most)
	if left, ok := d.Left(now, most, most/2); !ok || left > most {
		t.Errorf("after a success %v are left, %v", left, ok)
	}
	if left, ok := d.Left(now.Add(time.Second), most, most); !ok || left != most || d.Owed() != 0 {
		t.Errorf("after a pause %v are left, %v", left, ok)
	}
}

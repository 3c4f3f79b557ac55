package dies

import "testing"

func TestBefore(t *testing.T) { t.Log("ended in time") }

func TestDies(t *testing.T) {
	t.Log("last words")
	panic("the cause")
}

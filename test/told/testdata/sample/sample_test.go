package sample

import (
	"fmt"
	"testing"
)

func TestPasses(t *testing.T) { t.Log("passes and says so") }

func TestSkipped(t *testing.T) {
	t.Log("not the reason")
	skip(t)
}

func skip(t *testing.T) {
	t.Helper()
	t.Skipf("no %s here:\nEPERM", "right")
}

func TestRows(t *testing.T) {
	t.Run("passes", func(t *testing.T) { fmt.Println("output") })
	t.Run("is skipped", func(t *testing.T) {
		t.Parallel()
		t.Skip("the row's reason")
	})
	t.Run("silent", func(t *testing.T) { t.SkipNow() })
}

func TestFails(t *testing.T) {
	t.Run("not", func(t *testing.T) { t.Log("passes beside a failure") })
	t.Run("row", func(t *testing.T) { t.Error("what went wrong") })
}

package seccomp

// legacyOpens are those calls that newer machines do without.
func legacyOpens(sysctls bool) []rule {
	rows := []rule{
		{"open", trap, [][]test{{reading(1)}}, why},
		{"symlink", trap, nil, "as symlinkat"},
	}
	if sysctls {
		rows[0].when = nil
		rows = append(rows, rule{"creat", trap, nil, why})
	}
	return rows
}

package seccomp

import "golang.org/x/sys/unix"

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

// legacyEpolls is what epoll_create1(2) stands for.
func legacyEpolls(why string) []rule { return []rule{{"epoll_create", trap, nil, why}} }

const legacyEpollCreate = unix.SYS_EPOLL_CREATE

package seccomp

// legacyEpolls is epoll_create(2), which arm64 does without, too; its number is none.
func legacyEpolls(string) []rule { return nil }

const legacyEpollCreate = -1

// legacyOpens are those calls that newer machines do without: arm64 is one.
func legacyOpens(bool) []rule { return nil }

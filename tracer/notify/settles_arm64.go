package notify

// settles: here the kernel has made its preparations for a restart before that
// stop (arch/arm64/kernel/signal.c, do_signal), so that an interrupted call does
// not show.
const settles = false

package notify

// settles says that a call which a signal interrupted can be told, and ended, in
// the stop that follows: its number, arguments and -ERESTARTSYS are in the registers.
const settles = true

// Package proc looks at a thread of the sandboxed program from outside: its
// memory (process_vm_readv(2), /proc/TID/mem), its descriptors (/proc/TID/fd,
// pidfd_getfd(2)) and its signals (/proc/TID/status). Both engines see their
// tasks by it.
//
// All of it takes the rights that tracing the thread takes (ptrace(2), "Ptrace
// access mode checking"). The thread may end at any moment: ESRCH and ENOENT are
// normal. Nothing is kept here, so there are no locks.
package proc

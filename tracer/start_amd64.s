#include "textflag.h"

// netbox_start is the entry point of an executable that was linked with
// -ldflags=-E=netbox_start: see given.go and slack.go. It asks rt_sigaction(2) about each
// signal, sets the bits of ·ignoredMask and ·blockedMask, exchanges the timer slack for
// ·slack if that is more, and goes on to the runtime's own entry point with the stack as
// the kernel left it.
TEXT netbox_start(SB),NOSPLIT|NOFRAME,$0
	SUBQ	$64, SP
	MOVQ	$1, BX
loop:
	MOVQ	$13, AX		// SYS_rt_sigaction
	MOVQ	BX, DI
	XORQ	SI, SI
	MOVQ	SP, DX
	MOVQ	$8, R10		// sizeof(sigset_t)
	SYSCALL
	CMPQ	0(SP), $1	// SIG_IGN
	JNE	next
	LEAQ	-1(BX), CX
	MOVQ	$1, AX
	SHLQ	CX, AX
	ORQ	AX, ·ignoredMask(SB)
next:
	INCQ	BX
	CMPQ	BX, $65
	JNE	loop
	MOVQ	$14, AX		// SYS_rt_sigprocmask
	XORQ	DI, DI
	XORQ	SI, SI
	MOVQ	SP, DX
	MOVQ	$8, R10
	SYSCALL
	MOVQ	0(SP), AX
	MOVQ	AX, ·blockedMask(SB)
	MOVQ	$157, AX	// SYS_prctl
	MOVQ	$30, DI		// PR_GET_TIMERSLACK
	SYSCALL
	MOVQ	AX, ·givenSlack(SB)
	CMPQ	AX, ·slack(SB)
	JGE	start
	MOVQ	$157, AX
	MOVQ	$29, DI		// PR_SET_TIMERSLACK
	MOVQ	·slack(SB), SI
	SYSCALL
start:
	ADDQ	$64, SP
	JMP	_rt0_amd64_linux(SB)

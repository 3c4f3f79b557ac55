#include "textflag.h"

// netbox_start: see start_amd64.s, given.go and slack.go.
TEXT netbox_start(SB),NOSPLIT|NOFRAME,$0
	SUB	$64, RSP
	MOVD	$1, R19
loop:
	MOVD	$134, R8	// SYS_rt_sigaction
	MOVD	R19, R0
	MOVD	$0, R1
	MOVD	RSP, R2
	MOVD	$8, R3		// sizeof(sigset_t)
	SVC
	MOVD	(RSP), R4
	CMP	$1, R4		// SIG_IGN
	BNE	next
	SUB	$1, R19, R5
	MOVD	$1, R6
	LSL	R5, R6, R6
	MOVD	·ignoredMask(SB), R7
	ORR	R6, R7, R7
	MOVD	R7, ·ignoredMask(SB)
next:
	ADD	$1, R19
	CMP	$65, R19
	BNE	loop
	MOVD	$135, R8	// SYS_rt_sigprocmask
	MOVD	$0, R0
	MOVD	$0, R1
	MOVD	RSP, R2
	MOVD	$8, R3
	SVC
	MOVD	(RSP), R7
	MOVD	R7, ·blockedMask(SB)
	MOVD	$167, R8	// SYS_prctl
	MOVD	$30, R0		// PR_GET_TIMERSLACK
	SVC
	MOVD	R0, ·givenSlack(SB)
	MOVD	·slack(SB), R7
	CMP	R7, R0
	BGE	start
	MOVD	$167, R8
	MOVD	$29, R0		// PR_SET_TIMERSLACK
	MOVD	R7, R1
	SVC
start:
	ADD	$64, RSP
	JMP	_rt0_arm64_linux(SB)

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sets a part of the vector registers of a process that it traces, as a kernel of
 * User Mode Linux does: xstate CASE. Exit code 0 if that is as it should be, 1 if
 * not, 4 if the processor has nothing that could be left out.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define XMM1 (160 + 16)
#define YMM1_HIGH (576 + 16)
#define AVX 0x4

static union {
	unsigned char bytes[65536];
	uint64_t words[8192];
} state;

static long minus_one = -1;

static void need(int truth, const char *what)
{
	if (truth)
		return;
	printf("# not so: %s (errno %d)\n", what, errno);
	exit(1);
}

static pid_t traced(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(7);
	}
	need(pid > 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status),
	     "a process stands still");
	return pid;
}

static size_t get(pid_t pid)
{
	struct iovec all = { state.bytes, sizeof(state.bytes) };

	if (ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &all))
		all.iov_len = 0;
	return all.iov_len;
}

/* part(): the first @len bytes, with marks in what @len holds */
static void part(size_t len)
{
	pid_t pid = traced();
	struct iovec some = { state.bytes, len };
	int ymm = len >= 832;
	int status;

	if (get(pid) <= len) {
		kill(pid, SIGKILL);
		puts("this processor has no registers behind those");
		exit(4);
	}
	memset(state.bytes + XMM1, 0x5a, 16);
	memset(state.bytes + YMM1_HIGH, 0xa5, 16);
	state.words[512 / 8] |= AVX | 0x3;
	need(!ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &some), "a part is taken");

	memset(&state, 0, sizeof(state));
	get(pid);
	need(state.bytes[XMM1] == 0x5a && state.bytes[XMM1 + 15] == 0x5a,
	     "what every processor has is set");
	need((state.bytes[YMM1_HIGH + 15] == 0xa5) == ymm,
	     "what follows is set as far as it was given");
	need(!ptrace(PTRACE_CONT, pid, 0, 0) && waitpid(pid, &status, 0) == pid &&
	     WIFEXITED(status) && WEXITSTATUS(status) == 7, "the process ends as ever");
}

static void peek(void)
{
	pid_t pid = traced();
	struct user_regs_struct regs;
	long word;

	errno = EBADF;
	need(ptrace(PTRACE_PEEKDATA, pid, &minus_one, 0) == -1 && !errno,
	     "a word of -1 is no error");
	need(ptrace(PTRACE_PEEKDATA, pid, 8L, 0) == -1 && errno == EIO,
	     "no memory is one");
	errno = EBADF;
	word = ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rsp), 0);
	need(!errno && !ptrace(PTRACE_GETREGS, pid, 0, &regs) && (long)regs.rsp == word,
	     "a register is read");
	kill(pid, SIGKILL);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	if (!strcmp(argv[1], "peek"))
		peek();
	else
		part(strtoul(argv[1], NULL, 10));
	return 0;
}

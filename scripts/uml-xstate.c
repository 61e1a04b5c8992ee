// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into a User Mode Linux kernel (scripts/uml), so that it runs on
 * processors with AMX.
 *
 * Such a kernel keeps 2,696 bytes of a process's vector registers: all of XSAVE's
 * standard format up to the protection keys. The host gives that much if asked, but
 * takes back only the whole format, which is 11,008 bytes where there are AMX's
 * tiles, and answers EFAULT to less. No process of the guest may have tiles, for the
 * guest knows no system call that permits them. So what is missing is added here:
 * components that are not in use.
 */
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* XSAVE's header, behind the 512 bytes of FXSAVE, begins with a bit for each
 * component that is in use; the two of FXSAVE are there in any case.
 */
#define XSAVE_HEADER 512
#define XSAVE_BODY 576
#define COMPONENT_X87_SSE 0x3ull

/* The host's XSAVE is 11,008 bytes as yet. */
static union {
	unsigned char bytes[65536];
	uint64_t words[8192];
} area;

/* Where components end in the format, for those that the given bytes must hold. */
static const struct {
	unsigned int bit;
	size_t end;
} components[] = {
	{ 2, 832 },   /* AVX */
	{ 3, 1024 },  /* MPX: bounds */
	{ 4, 1088 },  /* and their settings */
	{ 5, 1152 },  /* AVX-512: masks */
	{ 6, 1664 },  /* upper halves */
	{ 7, 2688 },  /* upper registers */
	{ 9, 2696 },  /* protection keys */
};

static uint64_t whole(size_t len)
{
	uint64_t mask = COMPONENT_X87_SSE;
	size_t i;

	for (i = 0; i < sizeof(components) / sizeof(components[0]); i++) {
		if (components[i].end <= len)
			mask |= 1ull << components[i].bit;
	}
	return mask;
}

/* size_of(): the bytes of the host's format, 0 if it has none. Asked once. */
static size_t size_of(pid_t pid)
{
	static size_t size;
	struct iovec all = { area.bytes, sizeof(area.bytes) };

	if (!size && !syscall(SYS_ptrace, PTRACE_GETREGSET, pid, NT_X86_XSTATE, &all))
		size = all.iov_len;
	return size;
}

static long set_xstate(pid_t pid, const struct iovec *given)
{
	size_t size = size_of(pid);
	struct iovec all = { area.bytes, size };

	if (given->iov_len >= size || given->iov_len < XSAVE_BODY)
		return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, given);

	memcpy(area.bytes, given->iov_base, given->iov_len);
	memset(area.bytes + given->iov_len, 0, size - given->iov_len);
	area.words[XSAVE_HEADER / 8] &= whole(given->iov_len);
	return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, &all);
}

/**
 * ptrace() - the C library's, but for how vector registers are set
 *
 * One thread of a User Mode Linux kernel traces, and no signal handler of it sets
 * registers: the area is of one caller at a time.
 */
long ptrace(enum __ptrace_request request, ...)
{
	void *addr, *data;
	long ret, word;
	va_list args;
	pid_t pid;

	va_start(args, request);
	pid = va_arg(args, pid_t);
	addr = va_arg(args, void *);
	data = va_arg(args, void *);
	va_end(args);

	if (request == PTRACE_SETREGSET && (uintptr_t)addr == NT_X86_XSTATE)
		return set_xstate(pid, data);

	/* The kernel gives what it peeks at through a pointer. */
	switch (request) {
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
	case PTRACE_PEEKUSER:
		ret = syscall(SYS_ptrace, request, pid, addr, &word);
		if (ret < 0)
			return ret;
		errno = 0;
		return word;
	default:
		return syscall(SYS_ptrace, request, pid, addr, data);
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Implementation of lib_mount.h. The system calls are made by number, so that
 * the tests build with a libc that does not know them, and so that nothing
 * stands between a test and the errno it asserts.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib_mount.h"
#include "pattern.h"

/* libc's <sys/mount.h> and <linux/mount.h> exclude each other on some systems */
extern int mount(const char *src, const char *target, const char *type,
		 unsigned long flags, const void *data);
extern int umount2(const char *target, int flags);
#define FLAG_REC	0x4000		/* MS_REC */
#define FLAG_PRIVATE	0x40000		/* MS_PRIVATE */

#ifndef __NR_mount_setattr
#define __NR_mount_setattr	442
#endif

char last_log[4096];

bool long_run;
unsigned int lasting_s;

static bool failed;		/* of the running case, in its child */
static char case_dir[64];
static char tool_dir[PATH_MAX];

/* ------------------------------------------------------------------ KTAP */

static void note_lines(const char *text)
{
	const char *end;

	for (; *text; text = *end ? end + 1 : end) {
		end = strchrnul(text, '\n');
		printf("# %.*s\n", (int)(end - text), text);
	}
	fflush(stdout);
}

void tap_note(const char *fmt, ...)
{
	char text[8192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	note_lines(text);
}

void tap_fail(const char *file, int line, const char *fmt, ...)
{
	char text[8192];
	va_list ap;
	int n;

	failed = true;
	n = snprintf(text, sizeof(text), "%s:%d: ",
		     strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line);
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - n, fmt, ap);
	va_end(ap);
	note_lines(text);
}

bool tap_failed(void)
{
	return failed;
}

void tap_stop(void)
{
	fflush(stdout);
	_exit(failed ? 1 : 0);
}

void tap_skip(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* What has already gone wrong is not made good by a skip */
	if (failed)
		tap_stop();
	note_lines(text);
	/* The parent repeats the reason in the case's own line */
	write_str(tmp_path("skip-reason"), text);
	fflush(stdout);
	_exit(KSFT_SKIP);
}

/* The child's surroundings: its own mounts, and a scratch tmpfs */
static void case_begin(void)
{
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, FLAG_REC | FLAG_PRIVATE, NULL)) {
		tap_fail(__FILE__, __LINE__, "no mount namespace: %m");
		tap_stop();
	}
	if (mount("scratch", case_dir, "tmpfs", 0, "mode=0755")) {
		tap_fail(__FILE__, __LINE__, "no tmpfs at %s: %m", case_dir);
		tap_stop();
	}
}

static void case_child(const struct tap_case *c, int reason_fd)
{
	char *reason;
	pid_t pid;
	int status;

	/* A group of its own, so that helpers of a hung case end with it */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	case_begin();
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		c->fn(c->arg);
		tap_stop();
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		_exit(1);
	reason = slurp(tmp_path("skip-reason"), NULL);
	if (reason && write(reason_fd, reason, strlen(reason)) < 0)
		_exit(1);
	if (WIFSIGNALED(status)) {
		printf("# died of signal %d\n", WTERMSIG(status));
		fflush(stdout);
		_exit(1);
	}
	_exit(WEXITSTATUS(status));
}

/* Waits up to the limit; a wait status, or -1 after a timeout */
static int case_wait(pid_t pid, unsigned int limit)
{
	double end = now_s() + limit;
	int status;

	while (now_s() < end) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			return status;
		usleep(2000);
	}
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	/* A task that not even SIGKILL ends must not take the report along */
	for (end = now_s() + 10; now_s() < end; usleep(10000))
		if (waitpid(pid, &status, WNOHANG) == pid)
			return -1;
	printf("# pid %d does not die\n", pid);
	return -1;
}

/* Sanitizer kernels need more time than the limits of the cases allow */
static unsigned int patience(void)
{
	const char *factor = getenv("EROFS_PATIENCE");

	return factor && atoi(factor) > 1 ? atoi(factor) : 1;
}

static unsigned int case_limit(const struct tap_case *c)
{
	unsigned int limit = c->timeout ? c->timeout : TAP_TIMEOUT;

	if (long_run && limit < LONG_TIMEOUT)
		limit = LONG_TIMEOUT;
	return limit * patience() + lasting_s;
}

static int case_run(const struct tap_case *c, char *reason, size_t size)
{
	unsigned int limit = case_limit(c);
	int fd[2], status;
	ssize_t n;
	pid_t pid;

	reason[0] = 0;
	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK))
		return 1;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(fd[0]);
		case_child(c, fd[1]);
	}
	close(fd[1]);
	status = pid < 0 ? -1 : case_wait(pid, limit);
	n = read(fd[0], reason, size - 1);
	reason[n > 0 ? n : 0] = 0;
	close(fd[0]);
	if (status == -1) {
		printf("# no end within %u s\n", limit);
		return 1;
	}
	if (!WIFEXITED(status)) {
		printf("# died of signal %d\n", WTERMSIG(status));
		return 1;
	}
	return WEXITSTATUS(status);
}

static bool wanted(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strstr(name, argv[i]))
			return true;
	return argc < 2;
}

static void find_tools(const char *argv0)
{
	ssize_t n = readlink("/proc/self/exe", tool_dir, sizeof(tool_dir) - 1);

	if (n < 0)
		n = snprintf(tool_dir, sizeof(tool_dir), "%s", argv0);
	tool_dir[n] = 0;
	if (strrchr(tool_dir, '/'))
		*strrchr(tool_dir, '/') = 0;
}

static void take_words(int nr, int *argc, char ***argv)
{
	(*argv)[nr] = (*argv)[0];
	*argc -= nr;
	*argv += nr;
}

void take_long_options(int *argc, char ***argv)
{
	for (;;) {
		if (*argc >= 2 && !strcmp((*argv)[1], "-l")) {
			long_run = true;
			take_words(1, argc, argv);
		} else if (*argc >= 3 && !strcmp((*argv)[1], "-d")) {
			lasting_s = atoi((*argv)[2]);
			take_words(2, argc, argv);
		} else {
			return;
		}
	}
}

bool sanitizer_kernel(void)
{
	return !access("/sys/kernel/debug/failslab", F_OK);
}

unsigned int how_often(unsigned int gate, unsigned int native,
		       unsigned int many)
{
	if (long_run)
		return many;
	return sanitizer_kernel() ? native : gate;
}

double lasting(double gate, double many)
{
	if (lasting_s)
		return lasting_s;
	return long_run ? many : gate;
}

int tap_skip_all(const char *suite, const char *why)
{
	printf("KTAP version 1\n# %s\n1..0 # SKIP %s\n", suite, why);
	return KSFT_SKIP;
}

int tap_run(const char *suite, const struct tap_case *cases, size_t nr,
	    int argc, char **argv)
{
	unsigned int pass = 0, fail = 0, skip = 0, total = 0;
	char reason[512];
	size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	find_tools(argv[0]);
	signal(SIGPIPE, SIG_IGN);
	if (geteuid())
		return tap_skip_all(suite, "needs root");
	if (!have_filesystem("erofs"))
		return tap_skip_all(suite, "the kernel has no erofs: load the module");
	if (access(data_path("images.txt"), R_OK) &&
	    access(data_path("codecs.txt"), R_OK))
		return tap_skip_all(suite, "no images in $EROFS_DATA or /data: see mkdata.sh");
	for (i = 0; i < nr; i++)
		total += wanted(cases[i].name, argc, argv);
	printf("KTAP version 1\n1..%u\n# %s\n", total, suite);
	snprintf(case_dir, sizeof(case_dir), "/tmp/%s.XXXXXX", suite);
	if (!mkdtemp(case_dir)) {
		printf("Bail out! no scratch directory: %s\n", strerror(errno));
		return 1;
	}
	for (i = 0, total = 0; i < nr; i++) {
		double start = now_s();
		int ret;

		if (!wanted(cases[i].name, argc, argv))
			continue;
		ret = case_run(&cases[i], reason, sizeof(reason));
		total++;
		pass += !ret;
		skip += ret == KSFT_SKIP;
		fail += ret && ret != KSFT_SKIP;
		if (now_s() - start > 5)
			printf("# %s took %.1f s\n", cases[i].name,
			       now_s() - start);
		printf("%sok %u %s%s%s\n",
		       ret && ret != KSFT_SKIP ? "not " : "", total,
		       cases[i].name, ret == KSFT_SKIP ? " # SKIP " : "",
		       ret == KSFT_SKIP ? reason : "");
	}
	rmdir(case_dir);
	printf("# Totals: pass:%u fail:%u xfail:0 xpass:0 skip:%u error:0\n",
	       pass, fail, skip);
	if (fail || !total)
		return 1;
	return pass ? 0 : KSFT_SKIP;
}

const char *err_name(int err)
{
	static _Thread_local char number[32];

	if (err >= 0)
		return "success";
	/* Those whose text and name say different things to a reader */
	switch (-err) {
	case EUCLEAN:
		return "EUCLEAN";
	case ENOTBLK:
		return "ENOTBLK";
	case EOPNOTSUPP:
		return "EOPNOTSUPP";
	case EBADMSG:
		return "EBADMSG";
	case ESTALE:
		return "ESTALE";
	}
	snprintf(number, sizeof(number), "%s", strerror(-err));
	return number;
}

/* ------------------------------------------------- places and small tools */

/* Never freed: a case holds a few of these, and its process ends with it */
const char *below(const char *dir, const char *name)
{
	char *p;

	if (asprintf(&p, "%s/%s", dir, name) < 0)
		abort();
	return p;
}

const char *data_dir(void)
{
	const char *dir = getenv("EROFS_DATA");

	return dir && *dir ? dir : "/data";
}

const char *data_path(const char *name)
{
	return below(data_dir(), name);
}

const char *tool_path(const char *name)
{
	return below(tool_dir, name);
}

const char *tmp_path(const char *name)
{
	return below(case_dir, name);
}

const char *new_dir(const char *name)
{
	const char *p = tmp_path(name);

	NEED(!mkdir(p, 0755), "mkdir %s: %m", p);
	return p;
}

off_t data_position(const char *path)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extent;
	} m = { .map = { .fm_length = ~0ULL, .fm_extent_count = 1 } };
	int fd = open_need(path, O_RDONLY);

	NEED(!ioctl(fd, FS_IOC_FIEMAP, &m) && m.map.fm_mapped_extents == 1,
	     "FIEMAP %s: %m", path);
	close(fd);
	return m.extent.fe_physical;
}

const char *lower_dir(enum where where)
{
	const char *dir = new_dir("lower"), *file = tmp_path("disk");

	if (where == ON_TMPFS)
		NEED_OK(do_mount("none", dir, "tmpfs", 0, NULL), "tmpfs");
	else
		NEED(!run("truncate -s 64M %s && mke2fs -q -t ext4 %s && "
			  "mount -o loop %s %s", file, file, file, dir), "ext4");
	return dir;
}

int run(const char *fmt, ...)
{
	char cmd[8192];
	va_list ap;
	int status;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	fflush(stdout);
	status = system(cmd);
	if (status == -1)
		return 127;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool have_command(const char *name)
{
	return !run("command -v %s >/dev/null 2>&1", name);
}

static bool listed_filesystem(const char *type)
{
	char line[128];
	bool found = false;
	FILE *f = fopen("/proc/filesystems", "re");

	while (f && fgets(line, sizeof(line), f)) {
		char *name = strchr(line, '\t');

		line[strcspn(line, "\n")] = 0;
		if (name && !strcmp(name + 1, type))
			found = true;
	}
	if (f)
		fclose(f);
	return found;
}

bool have_filesystem(const char *type)
{
	if (listed_filesystem(type))
		return true;
	/* Which erofs is loaded is the caller's decision, never modprobe's */
	if (!strcmp(type, "erofs"))
		return false;
	return !run("modprobe -q %s >/dev/null 2>&1", type) &&
	       listed_filesystem(type);
}

char *slurp_fd(int fd, size_t *len)
{
	size_t used = 0, room = 4096;
	char *buf = malloc(room + 1);
	ssize_t n = 1;

	while (buf && n > 0) {
		if (used == room) {
			room *= 2;
			buf = realloc(buf, room + 1);
			if (!buf)
				break;
		}
		n = read(fd, buf + used, room - used);
		used += n > 0 ? n : 0;
	}
	if (!buf || n < 0) {
		free(buf);
		return NULL;
	}
	buf[used] = 0;
	if (len)
		*len = used;
	return buf;
}

char *slurp(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	char *buf;

	if (fd < 0)
		return NULL;
	buf = slurp_fd(fd, len);
	err = errno;
	close(fd);
	errno = err;
	return buf;
}

int write_str(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	if (n < 0)
		n = -errno;
	close(fd);
	return n < 0 ? (int)n : 0;
}

void copy_file(const char *from, const char *to)
{
	static char buf[1 << 17];
	int in = open_need(from, O_RDONLY);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t n;

	NEED(out >= 0, "create %s: %m", to);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		NEED(write(out, buf, n) == n, "write %s: %m", to);
	NEED(!n, "read %s: %m", from);
	close(in);
	NEED(!close(out), "close %s: %m", to);
}

void drop_caches(void)
{
	sync();
	NEED_OK(write_str("/proc/sys/vm/drop_caches", "3"), "drop_caches");
}

void forget_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		close(fd);
	}
	drop_caches();
}

double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

int open_need(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	NEED(fd >= 0, "open %s: %m", path);
	return fd;
}

static sigjmp_buf bus;

static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(bus, 1);
}

bool touch_faults(const volatile char *p)
{
	bool fault = true;

	signal(SIGBUS, on_bus);
	if (!sigsetjmp(bus, 1)) {
		(void)*p;
		fault = false;
	}
	signal(SIGBUS, SIG_DFL);
	return fault;
}

ssize_t pread_full(int fd, void *buf, size_t len, off_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)buf + done, len - done, off + done);

		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += n;
	}
	return done;
}

/* ------------------------------------------------------ mount system calls */

int sys_fsopen(const char *type, unsigned int flags)
{
	return syscall(__NR_fsopen, type, flags);
}

int sys_fspick(int dfd, const char *path, unsigned int flags)
{
	return syscall(__NR_fspick, dfd, path, flags);
}

int sys_fsconfig(int fd, unsigned int cmd, const char *key, const void *val,
		 int aux)
{
	return syscall(__NR_fsconfig, fd, cmd, key, val, aux);
}

int sys_fsmount(int fd, unsigned int flags, unsigned int attrs)
{
	return syscall(__NR_fsmount, fd, flags, attrs);
}

int sys_move_mount(int from_dfd, const char *from, int to_dfd, const char *to,
		   unsigned int flags)
{
	return syscall(__NR_move_mount, from_dfd, from, to_dfd, to, flags);
}

int sys_open_tree(int dfd, const char *path, unsigned int flags)
{
	return syscall(__NR_open_tree, dfd, path, flags);
}

int sys_mount_setattr(int dfd, const char *path, unsigned int flags,
		      struct mount_attr *attr, size_t size)
{
	return syscall(__NR_mount_setattr, dfd, path, flags, attr, size);
}

static int or_errno(int ret)
{
	return ret < 0 ? -errno : ret;
}

int fs_open(const char *type)
{
	return or_errno(sys_fsopen(type, FSOPEN_CLOEXEC));
}

int cfg_str(int fd, const char *key, const char *val)
{
	return or_errno(sys_fsconfig(fd, FSCONFIG_SET_STRING, key, val, 0));
}

int cfg_flag(int fd, const char *key)
{
	return or_errno(sys_fsconfig(fd, FSCONFIG_SET_FLAG, key, NULL, 0));
}

int cfg_fd(int fd, const char *key, int val)
{
	return or_errno(sys_fsconfig(fd, FSCONFIG_SET_FD, key, NULL, val));
}

int cfg_create(int fd)
{
	return or_errno(sys_fsconfig(fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
}

int cfg_reconfigure(int fd)
{
	return or_errno(sys_fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0));
}

int fs_mount(int fd, unsigned int attrs)
{
	return or_errno(sys_fsmount(fd, FSMOUNT_CLOEXEC, attrs));
}

int attach(int mnt, const char *target)
{
	return or_errno(sys_move_mount(mnt, "", AT_FDCWD, target,
				       MOVE_MOUNT_F_EMPTY_PATH));
}

int do_mount(const char *src, const char *target, const char *type,
	     unsigned long flags, const char *data)
{
	return or_errno(mount(src, target, type, flags, data));
}

int do_umount(const char *target, int flags)
{
	return or_errno(umount2(target, flags));
}

int fs_log(int fd, char *buf, size_t size)
{
	size_t used = 0;
	int lines = 0;
	char msg[2048];
	ssize_t n;

	buf[0] = 0;
	while ((n = read(fd, msg, sizeof(msg) - 1)) > 0) {
		msg[n] = 0;
		used += snprintf(buf + used, size - used, "%s%s",
				 lines ? "\n" : "", msg);
		if (used >= size)
			used = size - 1;
		lines++;
	}
	return lines;
}

/* --------------------------------------------------------------- sources */

bool via_is_block(enum via via)
{
	return via == VIA_LOOP || via == VIA_LOOP_FD;
}

const char *via_name(enum via via)
{
	static const char * const name[] = {
		[VIA_PATH] = "file", [VIA_FD] = "fd", [VIA_PROC] = "procfd",
		[VIA_LOOP] = "block", [VIA_LOOP_FD] = "blockfd",
	};

	return name[via];
}

static int loop_try(int ctl, int file, const char *path, int flags, char *name,
		    size_t size)
{
	struct loop_config cfg = {
		.fd = file,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR |
				 (flags == O_RDONLY ? LO_FLAGS_READ_ONLY : 0),
	};
	int nr = ioctl(ctl, LOOP_CTL_GET_FREE), fd, err;

	if (nr < 0)
		return -errno;
	snprintf(name, size, "/dev/loop%d", nr);
	strncpy((char *)cfg.info.lo_file_name, path, LO_NAME_SIZE - 1);
	fd = open(name, flags | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!ioctl(fd, LOOP_CONFIGURE, &cfg))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int loop_open_as(int flags, const char *path, char *name, size_t size)
{
	int ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int file = open(path, flags | O_CLOEXEC);
	int fd = -errno, tries;

	/* Another process may take the same free device first */
	for (tries = 0; ctl >= 0 && file >= 0 && tries < 50; tries++) {
		fd = loop_try(ctl, file, path, flags, name, size);
		if (fd != -EBUSY && fd != -ENOENT)
			break;
		usleep(10000);
	}
	if (file >= 0)
		close(file);
	if (ctl >= 0)
		close(ctl);
	return fd;
}

int loop_open(const char *path, char *name, size_t size)
{
	return loop_open_as(O_RDONLY, path, name, size);
}

int loop_count(void)
{
	struct dirent *e;
	DIR *d = opendir("/sys/block");
	char path[PATH_MAX];
	int n = 0;

	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, "loop", 4))
			continue;
		snprintf(path, sizeof(path), "/sys/block/%s/loop/backing_file",
			 e->d_name);
		n += !access(path, F_OK);
	}
	if (d)
		closedir(d);
	return n;
}

/* Gives one store to the context. *hold keeps a loop device until created */
static int give_store(int fs, const char *key, const char *path, enum via via,
		      int *hold)
{
	char name[64];
	int ret;

	*hold = -1;
	if (via == VIA_PATH)
		return cfg_str(fs, key, path);
	if (via_is_block(via))
		*hold = loop_open(path, name, sizeof(name));
	else
		*hold = or_errno(open(path, O_RDONLY | O_CLOEXEC));
	if (*hold < 0) {
		ret = *hold;
		tap_note("cannot open %s %s: %s", via_name(via), path,
			 err_name(ret));
		*hold = -1;
		return ret;
	}
	if (via == VIA_PROC)
		snprintf(name, sizeof(name), "/proc/self/fd/%d", *hold);
	if (via == VIA_PROC || via == VIA_LOOP)
		return cfg_str(fs, key, name);
	return cfg_fd(fs, key, *hold);
}

static int give_options(int fs, const char *opts)
{
	char buf[4096], *opt, *save = NULL;
	int ret = 0;

	snprintf(buf, sizeof(buf), "%s", opts ? opts : "");
	for (opt = strtok_r(buf, ",", &save); opt && !ret;
	     opt = strtok_r(NULL, ",", &save)) {
		char *val = strchr(opt, '=');

		if (val)
			*val++ = 0;
		ret = val ? cfg_str(fs, opt, val) : cfg_flag(fs, opt);
	}
	return ret;
}

int mount_detached(const struct source *src)
{
	int hold[MAX_DEVS + 1], i, ret, fs = fs_open("erofs");

	last_log[0] = 0;
	if (fs < 0)
		return fs;
	for (i = 0; i <= MAX_DEVS; i++)
		hold[i] = -1;
	/* The distribution's erofs asks for it on a read-only block device */
	if (getenv("EROFS_ORACLE"))
		cfg_flag(fs, "ro");
	ret = give_options(fs, src->opts);
	if (!ret)
		ret = give_store(fs, "source", src->path, src->via, &hold[0]);
	for (i = 0; !ret && i < src->nr_dev; i++)
		ret = give_store(fs, "device", src->dev[i], src->dev_via[i],
				 &hold[i + 1]);
	if (!ret)
		ret = cfg_create(fs);
	if (!ret)
		ret = fs_mount(fs, 0);
	fs_log(fs, last_log, sizeof(last_log));
	close(fs);
	for (i = 0; i <= MAX_DEVS; i++)
		if (hold[i] >= 0)
			close(hold[i]);
	return ret;
}

int mount_at(const struct source *src, const char *target)
{
	int mnt = mount_detached(src), ret;

	if (mnt < 0)
		return mnt;
	ret = attach(mnt, target);
	close(mnt);
	return ret;
}

int mount_file(const char *image, const char *target, const char *opts)
{
	struct source src = { .path = image, .opts = opts };

	return mount_at(&src, target);
}

void mount_nested(const char *a, const char *b, const char *c)
{
	NEED_OK(mount_file(data_path("nest3.img"), a, NULL), "depth 0");
	NEED_OK(mount_file(below(a, "nest2.img"), b, NULL), "depth 1");
	NEED_OK(mount_file(below(b, "nest1.img"), c, NULL), "depth 2");
}

void overlay_at(const char *dir, const char *lower, const char *name)
{
	char opts[PATH_MAX * 4], up[64], work[64];

	snprintf(up, sizeof(up), "up-%s", name);
	snprintf(work, sizeof(work), "work-%s", name);
	snprintf(opts, sizeof(opts), "lowerdir=%s,upperdir=%s,workdir=%s",
		 lower, new_dir(up), new_dir(work));
	NEED_OK(do_mount("none", dir, "overlay", 0, opts), name);
}

/* --------------------------------------------------------- owners mapped */

void need_namespace(const char *type)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/ns/%s", type);
	if (access(path, F_OK))
		tap_skip("the kernel has no %s namespaces", type);
}

/* A namespace whose uid 0 is ours at shift; the process is not needed longer */
int make_userns(unsigned int shift)
{
	char path[64], map[64];
	int go[2], ready[2], fd;
	pid_t pid;
	char c;

	need_namespace("user");
	NEED(!pipe2(go, O_CLOEXEC) && !pipe2(ready, O_CLOEXEC), "pipe: %m");
	pid = fork();
	if (!pid) {
		close(go[1]);
		if (unshare(CLONE_NEWUSER))
			_exit(1);
		if (write(ready[1], "r", 1) != 1 || read(go[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(ready[1]);
	NEED(read(ready[0], &c, 1) == 1, "no user namespace");
	snprintf(map, sizeof(map), "0 %u 65536", shift);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	NEED_OK(write_str(path, map), path);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	NEED_OK(write_str(path, map), path);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open_need(path, O_RDONLY);
	close(go[1]);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(go[0]);
	return fd;
}

void set_idmap(int mnt, unsigned int shift)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = make_userns(shift),
	};

	NEED(!sys_mount_setattr(mnt, "", AT_EMPTY_PATH, &attr, sizeof(attr)),
	     "mount_setattr: %m");
	close(attr.userns_fd);
}

/* ------------------------------------------------------------ comparisons */

static void first_difference(const char *want, const char *got)
{
	size_t line = 1;
	const char *w = want, *g = got;

	while (*w && *g) {
		size_t wl = strcspn(w, "\n"), gl = strcspn(g, "\n");

		if (wl != gl || memcmp(w, g, wl))
			break;
		w += wl + !!w[wl];
		g += gl + !!g[gl];
		line++;
	}
	tap_note("line %zu\n  expected: %.*s\n  found:    %.*s", line,
		 (int)strcspn(w, "\n"), *w ? w : "(end)",
		 (int)strcspn(g, "\n"), *g ? g : "(end)");
}

static char *dump_tree(const char *dir, size_t *len, int *code)
{
	const char *tool = tool_path("treedump");
	int fd[2], status;
	char *text;
	pid_t pid;

	*code = 127;
	if (pipe2(fd, O_CLOEXEC))
		return NULL;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		dup2(fd[1], 1);
		execl(tool, tool, "-x", dir, (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	text = slurp_fd(fd[0], len);
	close(fd[0]);
	if (pid > 0 && waitpid(pid, &status, 0) == pid)
		*code = WIFEXITED(status) ? WEXITSTATUS(status)
					  : 128 + WTERMSIG(status);
	return text;
}

bool tree_equals(const char *dir, const char *dump)
{
	size_t want_len = 0, got_len = 0;
	char *want = slurp(dump, &want_len), *got;
	bool same;
	int code;

	if (!CHECK(want && want_len, "no expected dump %s", dump))
		return false;
	got = dump_tree(dir, &got_len, &code);
	same = CHECK(got && !code, "treedump %s: exit code %d", dir, code) &&
	       CHECK(got_len == want_len && !memcmp(got, want, want_len),
		     "%s differs from %s", dir, dump);
	if (!same && got)
		first_difference(want, got);
	free(want);
	free(got);
	return same;
}

bool file_is_pattern(const char *path, uint64_t seed, uint64_t size)
{
	static _Thread_local char buf[1 << 17];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t pos = 0;
	ssize_t n = 0;
	bool ok = true;

	if (!CHECK(fd >= 0, "open %s: %m", path))
		return false;
	while (ok && (n = read(fd, buf, sizeof(buf))) > 0) {
		long long bad = pattern_check(buf, n, seed, pos);

		ok = CHECK(bad < 0, "%s: wrong byte at %lld", path, bad);
		pos += n;
	}
	ok = ok && CHECK(!n, "read %s at %llu: %m", path,
			 (unsigned long long)pos) &&
	     CHECK(pos == size, "%s: %llu bytes, not %llu", path,
		   (unsigned long long)pos, (unsigned long long)size);
	close(fd);
	return ok;
}

/* One line: id parent dev root target opts ... - type source superopts */
static bool parse_mountinfo(char *line, const char *target, char **source,
			    char **opts)
{
	char *field[6], *p, *save = NULL;
	int i;

	p = strstr(line, " - ");
	if (!p)
		return false;
	*p = 0;
	p += 3;
	for (i = 0; i < 6; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return false;
	}
	if (strcmp(field[4], target))
		return false;
	strtok_r(p, " ", &save);
	*source = strtok_r(NULL, " ", &save);
	*opts = strtok_r(NULL, " \n", &save);
	return *source && *opts;
}

bool mountinfo(const char *target, char *source, size_t source_size,
	       char *opts, size_t opts_size)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *src, *opt;
	size_t room = 0;
	bool found = false;

	/* The last match is the topmost mount */
	while (f && getline(&line, &room, f) > 0) {
		if (!parse_mountinfo(line, target, &src, &opt))
			continue;
		found = true;
		if (source)
			snprintf(source, source_size, "%s", src);
		if (opts)
			snprintf(opts, opts_size, "%s", opt);
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

/* ----------------------------------------------- a store that does not answer */

void stuck_ask(int fd)
{
	off_t page;

	for (page = 0; page < STUCK_READS; page++)
		posix_fadvise(fd, page * 4096, 4096, POSIX_FADV_WILLNEED);
}

void stuck_right(int fd)
{
	char buf[4096];
	off_t off;

	for (off = 0; off < STUCK_READS * 4096; off += 4096)
		NEED(pread(fd, buf, 4096, off) == 4096 &&
		     pattern_check(buf, 4096, PATTERN_BIG_SEED, off) < 0,
		     "wrong at %lld, or not there: %m", (long long)off);
}

pid_t stuck_beside(const char *mnt)
{
	pid_t pid = fork();

	NEED(pid >= 0, "fork: %m");
	if (!pid)
		_exit(!file_is_pattern(below(mnt, "exact"), PATTERN_EXACT_SEED,
				       PATTERN_EXACT_SIZE));
	return pid;
}

bool child_ends(pid_t pid, double seconds, int *status)
{
	const double end = now_s() + seconds;
	pid_t got;

	while (!(got = waitpid(pid, status, WNOHANG)) && now_s() < end)
		usleep(10000);
	return got == pid;
}

/* ----------------------------------------------------------- kernel log */

int kmsg_open(void)
{
	int fd = open_need("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	lseek(fd, 0, SEEK_END);
	return fd;
}

int kmsg_count(int fd, const char *word, char *buf, size_t size)
{
	char line[8192];
	ssize_t n;
	int nr = 0;

	if (size)
		buf[0] = 0;
	for (;;) {
		char *text;

		n = read(fd, line, sizeof(line) - 1);
		if (n < 0 && errno == EPIPE)
			continue;	/* overwritten: go on with the next */
		if (n <= 0)
			break;
		line[n] = 0;
		text = strchr(line, ';');
		if (!text || !strstr(text, word))
			continue;
		nr++;
		text[strcspn(text, "\n")] = 0;
		if (size)
			snprintf(buf, size, "%s", text + 1);
	}
	return nr;
}

/* -------------------------------------------------------- table of images */

static void parse_devices(struct image *img, const char *list)
{
	char buf[512], *dev, *save = NULL;

	if (!strcmp(list, "-"))
		return;
	snprintf(buf, sizeof(buf), "%s", list);
	for (dev = strtok_r(buf, ",", &save); dev && img->nr_dev < MAX_DEVS;
	     dev = strtok_r(NULL, ",", &save))
		snprintf(img->dev[img->nr_dev++], sizeof(img->dev[0]), "%s",
			 dev);
}

static bool parse_image(const char *line, struct image *img)
{
	char devs[512];

	memset(img, 0, sizeof(*img));
	if (line[0] == '#')
		return false;
	if (sscanf(line, "%63s %u %63s %511s %127s %63s %127s", img->name,
		   &img->bs, img->image, devs, img->opts, img->dump,
		   img->features) != 7)
		return false;
	parse_devices(img, devs);
	if (!strcmp(img->opts, "-"))
		img->opts[0] = 0;
	return true;
}

size_t table_load(const char *table, struct image **rows)
{
	FILE *f = fopen(data_path(table), "re");
	struct image img;
	char line[2048];
	size_t nr = 0;

	*rows = NULL;
	while (f && fgets(line, sizeof(line), f)) {
		if (!parse_image(line, &img))
			continue;
		*rows = realloc(*rows, (nr + 1) * sizeof(img));
		if (!*rows)
			abort();
		(*rows)[nr++] = img;
	}
	if (f)
		fclose(f);
	return nr;
}

size_t images_load(struct image **rows)
{
	return table_load("images.txt", rows);
}

const struct image *image_find(const char *name)
{
	static struct image *rows;
	static size_t nr;
	size_t i;

	if (!rows)
		nr = images_load(&rows);
	for (i = 0; i < nr; i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	NEED(false, "no image %s in %s", name, data_path("images.txt"));
	return NULL;
}

bool image_has(const struct image *img, const char *feature)
{
	size_t len = strlen(feature);
	const char *p = img->features;

	while (p) {
		if (!strncmp(p, feature, len) && (!p[len] || p[len] == ','))
			return true;
		p = strchr(p, ',');
		if (p)
			p++;
	}
	return false;
}

void image_source(const struct image *img, enum via via, struct source *src)
{
	int i;

	memset(src, 0, sizeof(*src));
	src->path = strdup(data_path(img->image));
	src->via = via;
	src->nr_dev = img->nr_dev;
	src->opts = img->opts;
	for (i = 0; i < img->nr_dev; i++) {
		src->dev[i] = strdup(data_path(img->dev[i]));
		src->dev_via[i] = via;
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Damaged images, one after the other: negatives [-b] [-v] [-k WORD] [DIR]
 *
 * DIR (else $EROFS_DATA/negatives, else $EROFS_DATA) holds what should_fail.py
 * has written: images, and list.txt with what each must answer. Every line of
 * it is mounted by file path, or with -b through loop devices, and asserts
 *
 *	that what must fail does, at its stage, with its errno, and again when
 *	it is repeated;
 *	that a refused mount says why in the fs_context log, and a mount that
 *	works says nothing there and at most one line in the kernel log;
 *	that a failure behind the mount says why in one to three lines of the
 *	kernel log, and nothing goes on in it that needs a developer;
 *	that the file /ok of the same mount reads right afterwards;
 *	that the mount can be undone, and lets go of its devices.
 *
 * Images that are valid are compared with their expected tree instead. The
 * lines are worked off by a child process, which its parent watches, so that a
 * hang or a crash is the failure of one line. -v shows what the kernel says, -k
 * takes only lines that have the word.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "pattern.h"

/* libc's <sys/mount.h> and <linux/mount.h> exclude each other on some systems */
extern int umount2(const char *target, int flags);
#define UMOUNT_LAZY	2		/* MNT_DETACH */

#ifndef LOOP_CONFIGURE
#define LOOP_CONFIGURE	0x4C0A
struct loop_config {
	__u32 fd;
	__u32 block_size;
	struct loop_info64 info;
	__u64 reserved[8];
};
#endif

#define KSFT_SKIP	4
#define OK_SIZE		5000		/* as in should_fail.py */
#define SLOW_S		2.0		/* a line that takes longer has failed ... */
#define SLOW_TRIES	3		/* ... each time, the last ones from memory */
#define STUCK_S		40.0		/* ... and is not waited for */
#define MAX_DEVICES	8
#define MAX_LINES	3		/* of the kernel log, for one failure */

enum stage {
	STAGE_OK, STAGE_MOUNT, STAGE_STAT, STAGE_READDIR, STAGE_LOOKUP,
	STAGE_READ, STAGE_READLINK, STAGE_GETXATTR, STAGE_LISTXATTR, NR_STAGES
};

static const char * const stage_names[NR_STAGES] = {
	"ok", "mount", "stat", "readdir", "lookup",
	"read", "readlink", "getxattr", "listxattr"
};

/* One line of list.txt; the strings point into it */
struct check {
	char *name;
	enum stage stage;
	char *target;
	int err;
	char *devices;
	char *opts;
	char *xattr;
	long long off;
	long long pat;
	bool quiet;			/* log=none */
	bool late;			/* log=late */
	char text[128];			/* the result's name */
};

static const struct {
	const char *name;
	int err;
} errnos[] = {
	{ "0", 0 }, { "EINVAL", EINVAL }, { "EUCLEAN", EUCLEAN },
	{ "EOPNOTSUPP", EOPNOTSUPP }, { "EBADMSG", EBADMSG },
	{ "ENODATA", ENODATA }, { "ELOOP", ELOOP }, { "EIO", EIO },
	{ "ENOTBLK", ENOTBLK }, { "ENOENT", ENOENT }, { "ENODEV", ENODEV },
	{ "ENOMEM", ENOMEM }, { "EBUSY", EBUSY }, { "EPERM", EPERM },
	{ "EACCES", EACCES }, { "ENXIO", ENXIO }, { "EFAULT", EFAULT },
	{ "ERANGE", ERANGE }, { "EINTR", EINTR }, { "ENOTDIR", ENOTDIR },
};

#define NR_ERRNOS	(sizeof(errnos) / sizeof(errnos[0]))

static bool by_block;			/* -b */
static bool verbose;			/* -v */
static char dir[PATH_MAX - 256];
static char mnt[64];			/* mount point */
static struct check *checks;
static unsigned int nr_checks;
static int kmsg = -1;
static bool failed;			/* the line that is being worked on */

/* What the watching parent sees of its child */
static volatile struct {
	unsigned int line;		/* that it works on */
	unsigned int beat;		/* changes while it gets on */
	unsigned int passed, failed;
} *progress;

/* ------------------------------------------------------------ small tools */

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static const char *err_name(int err)
{
	size_t i;

	for (i = 0; i < NR_ERRNOS; i++)
		if (errnos[i].err == err)
			return errnos[i].name;
	return strerror(err);
}

__attribute__((format(printf, 1, 2)))
static void fail(const char *fmt, ...)
{
	va_list ap;

	failed = true;
	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static uint64_t fnv(uint64_t h, const void *buf, size_t len)
{
	const unsigned char *p = buf;

	while (len--)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h;
}

#define FNV_START	0xcbf29ce484222325ULL

/* A path below the mount point, in a buffer of its own */
static const char *at(const char *path)
{
	static char buf[sizeof(mnt) + PATH_MAX];

	snprintf(buf, sizeof(buf), "%s%s", mnt, path);
	return buf;
}

/* ------------------------------------------------------------- kernel log */

/*
 * Lines of ours since the last call. What is a failure wherever it comes from
 * is said here.
 */
static unsigned int kmsg_lines(void)
{
	static const char * const bad[] = {
		"WARNING:", "BUG:", "Oops", "UBSAN", "KASAN", "Call Trace",
		"general protection", "INFO: task", "Busy inodes",
	};
	unsigned int lines = 0;
	char buf[8192], *text;
	ssize_t n;
	size_t i;

	for (;;) {
		n = read(kmsg, buf, sizeof(buf) - 1);
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (n <= 0)
			return lines;
		buf[n] = 0;
		text = strchr(buf, ';');
		text = text ? text + 1 : buf;
		text[strcspn(text, "\n")] = 0;
		for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			if (strstr(text, bad[i]))
				fail("the kernel says: %s", text);
		if (!strstr(text, "erofs"))
			continue;
		lines++;
		if (verbose)
			printf("# kernel: %s\n", text);
	}
}

/* The fs_context log: number of lines, shown when asked for */
static unsigned int context_lines(int fd, bool show)
{
	unsigned int lines = 0;
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf) - 1)) > 0) {
		buf[n] = 0;
		lines++;
		if (show || verbose)
			printf("# log: %.*s\n", (int)strcspn(buf, "\n"), buf);
	}
	return lines;
}

/* ---------------------------------------------------------------- sources */

struct loop {
	int fd;
	char name[32];
};

static struct loop loops[1 + MAX_DEVICES];
static unsigned int nr_loops;

static int loop_bind(const char *path, struct loop *loop)
{
	struct loop_config config = { .block_size = 0 };
	int ctl, file, nr, err = -1;

	ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (ctl < 0 || file < 0)
		goto out;
	config.fd = file;
	config.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
	do {
		nr = ioctl(ctl, LOOP_CTL_GET_FREE);
		if (nr < 0)
			goto out;
		snprintf(loop->name, sizeof(loop->name), "/dev/loop%d", nr);
		loop->fd = open(loop->name, O_RDONLY | O_CLOEXEC);
		if (loop->fd < 0)
			goto out;
		err = ioctl(loop->fd, LOOP_CONFIGURE, &config);
		if (err)
			close(loop->fd);
	} while (err && errno == EBUSY);
out:
	if (err)
		fail("no loop device for %s: %m", path);
	if (ctl >= 0)
		close(ctl);
	if (file >= 0)
		close(file);
	return err;
}

/*
 * Whether the images lie in memory before they are mounted. What a disk and a
 * busy host take must not count as the module's time; but for reading files it
 * matters that some of the data is still on its way when the bad part is met.
 */
static bool hot;

static void warm_or_cool(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[65536];

	if (fd < 0)
		return;
	if (hot)
		while (read(fd, buf, sizeof(buf)) > 0)
			;
	else
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

/* What to mount for a file of DIR: itself, or a loop device of it */
static const char *source(const char *file)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	warm_or_cool(path);
	if (!by_block)
		return path;
	if (loop_bind(path, &loops[nr_loops]))
		return NULL;
	return loops[nr_loops++].name;
}

/* Nobody but us may have them open any more; then they can be unbound */
static void sources_release(void)
{
	struct loop_info64 info;
	int tries;

	while (nr_loops) {
		struct loop *loop = &loops[--nr_loops];

		ioctl(loop->fd, LOOP_CLR_FD);
		/* a last reference may be on its way back from another task */
		for (tries = 0; tries < 20; tries++) {
			if (ioctl(loop->fd, LOOP_GET_STATUS64, &info))
				break;
			usleep(5000);
			ioctl(loop->fd, LOOP_CLR_FD);
		}
		if (tries == 20)
			fail("%s is still in use", loop->name);
		close(loop->fd);
	}
}

/* ------------------------------------------------------------------ mount */

static int fsconfig(int fd, unsigned int cmd, const char *key, const char *val)
{
	return syscall(__NR_fsconfig, fd, cmd, key, val, 0);
}

static int set_devices(int fd, const char *list)
{
	char names[1024], *name, *save;
	const char *dev;

	snprintf(names, sizeof(names), "%s", list ? list : "");
	for (name = strtok_r(names, ",", &save); name;
	     name = strtok_r(NULL, ",", &save)) {
		dev = source(name);
		if (!dev)
			return -1;
		if (fsconfig(fd, FSCONFIG_SET_STRING, "device", dev)) {
			fail("device=%s: %m", dev);
			return -1;
		}
	}
	return 0;
}

static int set_options(int fd, const char *list)
{
	char opts[1024], *opt, *val, *save;
	int err;

	snprintf(opts, sizeof(opts), "%s", list ? list : "");
	for (opt = strtok_r(opts, ",", &save); opt;
	     opt = strtok_r(NULL, ",", &save)) {
		val = strchr(opt, '=');
		if (val)
			*val++ = 0;
		err = val ? fsconfig(fd, FSCONFIG_SET_STRING, opt, val) :
			    fsconfig(fd, FSCONFIG_SET_FLAG, opt, NULL);
		if (err) {
			fail("option %s: %m", opt);
			return -1;
		}
	}
	return 0;
}

/*
 * A context with everything but its superblock, or -1 after a complaint:
 * nothing of that depends on what is in the image.
 */
static int context_open(const struct check *c)
{
	char image[256];
	const char *src;
	int fd;

	fd = syscall(__NR_fsopen, "erofs", FSOPEN_CLOEXEC);
	if (fd < 0) {
		fail("fsopen: %m");
		return -1;
	}
	snprintf(image, sizeof(image), "%s.img", c->name);
	src = source(image);
	if (!src)
		goto bad;
	if (fsconfig(fd, FSCONFIG_SET_STRING, "source", src)) {
		fail("source=%s: %m", src);
		goto bad;
	}
	if (set_devices(fd, c->devices) || set_options(fd, c->opts))
		goto bad;
	return fd;
bad:
	context_lines(fd, true);
	close(fd);
	return -1;
}

/* The errno of the mount, which is attached if it is 0 */
static int do_mount(const struct check *c)
{
	int fd = context_open(c), mfd = -1, err = 0;
	unsigned int lines;

	if (fd < 0)
		return -1;
	if (fsconfig(fd, FSCONFIG_CMD_CREATE, NULL, NULL))
		err = errno;
	lines = context_lines(fd, err && err != c->err);
	if (err && !lines)
		fail("refused with %s, but the context's log is empty",
		     err_name(err));
	if (err && lines > MAX_LINES)
		fail("%u lines in the context's log", lines);
	if (!err && lines)
		fail("mounted, but the context's log has %u lines", lines);
	if (!err) {
		mfd = syscall(__NR_fsmount, fd, FSMOUNT_CLOEXEC, 0);
		if (mfd < 0 || syscall(__NR_move_mount, mfd, "", AT_FDCWD, mnt,
				       MOVE_MOUNT_F_EMPTY_PATH)) {
			fail("cannot attach: %m");
			err = -1;
		}
	}
	if (mfd >= 0)
		close(mfd);
	close(fd);
	return err;
}

/* --------------------------------------------------------- what must fail */

/* All of a directory; its entries go into a hash, if there is one */
static int list_dir(const char *path, uint64_t *hash)
{
	static const unsigned char types[16] = {
		[DT_REG] = 1, [DT_DIR] = 2, [DT_CHR] = 3, [DT_BLK] = 4,
		[DT_FIFO] = 5, [DT_SOCK] = 6, [DT_LNK] = 7,
	};
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent64 *de;
	char buf[16384];
	long n = 0, off;
	int calls, err = 0, i;

	if (fd < 0) {
		err = errno;
		fail("open: %s", err_name(err));
		return err;
	}
	for (calls = 0; calls < 1000; calls++) {
		n = syscall(__NR_getdents64, fd, buf, sizeof(buf));
		if (n <= 0)
			break;
		for (off = 0; off < n && hash; off += de->d_reclen) {
			unsigned char raw[9];

			de = (struct dirent64 *)(buf + off);
			raw[0] = types[de->d_type & 15];
			for (i = 0; i < 8; i++)
				raw[1 + i] = de->d_ino >> 8 * i;
			*hash = fnv(*hash, de->d_name, strlen(de->d_name));
			*hash = fnv(*hash, raw, sizeof(raw));
		}
	}
	if (n < 0)
		err = errno;
	else if (n)
		fail("%s has no end", path);
	close(fd);
	return err;
}

/* Reads from c->off until it fails; what it delivers must be right */
static int read_until(const struct check *c, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0, calls;
	long long off = c->off, good;
	struct stat st;
	char buf[4096];
	ssize_t n = 0;

	if (fd < 0 || fstat(fd, &st)) {
		err = errno;
		fail("open: %s", err_name(err));
		return -1;
	}
	for (calls = 0; calls < 100; calls++, off += n) {
		n = pread(fd, buf, sizeof(buf), off);
		if (n <= 0)
			break;
		good = c->pat - off < n ? c->pat - off : n;
		if (good > 0 && pattern_check(buf, good, pattern_seed(c->target),
					      off) >= 0)
			fail("wrong bytes between %lld and %lld", off,
			     off + good);
	}
	if (n < 0)
		err = errno;
	else
		fail("read up to %lld without an error", off);
	close(fd);
	return err;
}

/* A stat of the target, and its directory can be read as a whole */
static int stat_in_dir(const struct check *c)
{
	char parent[sizeof(mnt) + PATH_MAX];
	struct stat st;
	int err;

	snprintf(parent, sizeof(parent), "%s", at(c->target));
	*strrchr(parent, '/') = 0;
	err = list_dir(parent, NULL);
	if (err)
		fail("the directory of it: %s", err_name(err));
	return lstat(at(c->target), &st) ? errno : 0;
}

/* The errno of what must fail; 0: it did not */
static int do_stage(const struct check *c)
{
	const char *path = at(c->target);
	static char buf[65536];
	struct stat st;

	switch (c->stage) {
	case STAGE_STAT:
		return stat_in_dir(c);
	case STAGE_LOOKUP:
		return lstat(path, &st) ? errno : 0;
	case STAGE_READDIR:
		return list_dir(path, NULL);
	case STAGE_READ:
		return read_until(c, path);
	case STAGE_READLINK:
		return readlink(path, buf, sizeof(buf)) < 0 ? errno : 0;
	case STAGE_GETXATTR:
	case STAGE_LISTXATTR:
		if (lstat(path, &st)) {
			fail("stat: %m");
			return -1;
		}
		if (c->stage == STAGE_LISTXATTR)
			return llistxattr(path, buf, sizeof(buf)) < 0 ?
			       errno : 0;
		return lgetxattr(path, c->xattr, buf, sizeof(buf)) < 0 ?
		       errno : 0;
	default:
		return 0;
	}
}

static void check_stage(const struct check *c)
{
	unsigned int lines;
	int err;

	err = do_stage(c);
	if (err != c->err)
		fail("%s %s: %s, not %s", stage_names[c->stage], c->target,
		     err_name(err), err_name(c->err));
	lines = kmsg_lines();
	if (!lines && !c->quiet)
		fail("the kernel log says nothing about it");
	if (lines > MAX_LINES)
		fail("%u lines in the kernel log", lines);
	err = do_stage(c);
	if (err != c->err)
		fail("%s %s again: %s, not %s", stage_names[c->stage],
		     c->target, err_name(err), err_name(c->err));
}

static void check_ok_file(void)
{
	char buf[OK_SIZE + 1];
	struct stat st;
	long long bad;
	ssize_t n;
	int fd;

	fd = open(at("/ok"), O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		fail("/ok: %m");
		return;
	}
	n = read(fd, buf, sizeof(buf));
	close(fd);
	if (st.st_size != OK_SIZE || n != OK_SIZE) {
		fail("/ok: %zd bytes of %lld, not %d: %s", n,
		     (long long)st.st_size, OK_SIZE, n < 0 ? strerror(errno) :
		     "short");
		return;
	}
	bad = pattern_check(buf, n, pattern_seed("/ok"), 0);
	if (bad >= 0)
		fail("/ok: byte %lld is wrong", bad);
}

/* -------------------------------------------------------- what must be so */

/* One I line of an expect file */
struct expect {
	char path[PATH_MAX];
	unsigned int mode, uid, gid, major, minor, nr_xattrs;
	unsigned long long nlink, size, ino, hash;
	long long sec;
	long nsec;
};

static void unquote(char *s)
{
	char *to = s;
	unsigned int c;

	for (; *s; s++) {
		if (*s == '%' && sscanf(s + 1, "%2x", &c) == 1) {
			*to++ = (char)c;
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = 0;
}

static bool expect_parse(const char *line, struct expect *x)
{
	if (sscanf(line, "I %4095s %o %u %u %llu %llu %lld %ld %u:%u %llu %u %llx",
		   x->path, &x->mode, &x->uid, &x->gid, &x->nlink, &x->size,
		   &x->sec, &x->nsec, &x->major, &x->minor, &x->ino,
		   &x->nr_xattrs, &x->hash) != 13)
		return false;
	unquote(x->path);
	return true;
}

static uint64_t hash_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t hash = FNV_START;
	static char buf[65536];
	ssize_t n = -1;

	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		hash = fnv(hash, buf, n);
	if (n < 0)
		fail("%s: %m", path);
	if (fd >= 0)
		close(fd);
	return hash;
}

static uint64_t hash_of(const char *path, unsigned int mode)
{
	uint64_t hash = FNV_START;
	char link[PATH_MAX];
	ssize_t n;
	int err;

	switch (mode & S_IFMT) {
	case S_IFREG:
		return hash_file(path);
	case S_IFDIR:
		err = list_dir(path, &hash);
		if (err)
			fail("%s: readdir: %s", path, err_name(err));
		return hash;
	case S_IFLNK:
		n = readlink(path, link, sizeof(link));
		if (n < 0)
			fail("%s: readlink: %m", path);
		return fnv(hash, link, n < 0 ? 0 : n);
	default:
		return hash;
	}
}

static void compare_number(const char *path, const char *what,
			   unsigned long long got, unsigned long long want)
{
	if (got != want)
		fail("%s: %s is %llu, not %llu", path, what, got, want);
}

static unsigned int count_xattrs(const char *path)
{
	static char names[65536];
	ssize_t n = llistxattr(path, names, sizeof(names)), i;
	unsigned int count = 0;

	if (n < 0)
		fail("%s: listxattr: %m", path);
	for (i = 0; i < n; i++)
		count += !names[i];
	return count;
}

static void compare_inode(const struct expect *x)
{
	const char *path = x->path, *full = at(path);
	struct stat st;
	uint64_t hash;

	if (lstat(full, &st)) {
		fail("%s: %m", path);
		return;
	}
	compare_number(path, "mode", st.st_mode, x->mode);
	compare_number(path, "uid", st.st_uid, x->uid);
	compare_number(path, "gid", st.st_gid, x->gid);
	compare_number(path, "nlink", st.st_nlink, x->nlink);
	compare_number(path, "size", st.st_size, x->size);
	compare_number(path, "inode", st.st_ino, x->ino);
	compare_number(path, "mtime", st.st_mtim.tv_sec, x->sec);
	compare_number(path, "mtime ns", st.st_mtim.tv_nsec, x->nsec);
	compare_number(path, "major", major(st.st_rdev), x->major);
	compare_number(path, "minor", minor(st.st_rdev), x->minor);
	compare_number(path, "number of xattrs", count_xattrs(full),
		       x->nr_xattrs);
	hash = hash_of(full, st.st_mode);
	if (hash != x->hash)
		fail("%s: other content", path);
}

static int hex_digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* X path name hex */
static void compare_xattr(char *line)
{
	static char value[65536];
	char *path, *name, *hex, *save;
	ssize_t n, i;

	strtok_r(line, " \n", &save);
	path = strtok_r(NULL, " \n", &save);
	name = strtok_r(NULL, " \n", &save);
	hex = strtok_r(NULL, " \n", &save);
	if (!path || !name || !hex) {
		fail("bad line in the expected tree");
		return;
	}
	unquote(path);
	if (!strcmp(hex, "-"))
		*hex = 0;
	n = lgetxattr(at(path), name, value, sizeof(value));
	if (n < 0) {
		fail("%s: %s: %m", path, name);
		return;
	}
	for (i = 0; i < n && hex[2 * i]; i++)
		if ((unsigned char)value[i] != hex_digit(hex[2 * i]) * 16 +
		    hex_digit(hex[2 * i + 1]))
			break;
	if (i < n || hex[2 * i])
		fail("%s: %s: other value", path, name);
}

static void check_tree(const struct check *c, unsigned int max_lines)
{
	static char line[200000];
	static struct expect x;
	char file[PATH_MAX];
	unsigned int inodes = 0;
	FILE *f;

	snprintf(file, sizeof(file), "%s/%s.expect", dir, c->name);
	f = fopen(file, "re");
	if (!f) {
		fail("%s: %m", file);
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		if (*line == 'X') {
			compare_xattr(line);
		} else if (expect_parse(line, &x)) {
			compare_inode(&x);
			inodes++;
		} else {
			fail("bad line in %s", file);
		}
	}
	fclose(f);
	if (!inodes)
		fail("%s says nothing", file);
	if (kmsg_lines() > max_lines)
		fail("the kernel log is not silent about a valid image");
}

/* ------------------------------------------------------------ one line */

/* Warnings and oopses that happened since boot: bits 7 and 9 */
static unsigned long taint(void)
{
	unsigned long bits = 0;
	FILE *f = fopen("/proc/sys/kernel/tainted", "re");

	if (f && fscanf(f, "%lu", &bits) != 1)
		bits = 0;
	if (f)
		fclose(f);
	return bits & (1 << 7 | 1 << 9);
}

static void check_mounted(const struct check *c)
{
	unsigned int lines = kmsg_lines();

	if (lines > 1)
		fail("%u lines in the kernel log for a mount that works",
		     lines);
	if (c->stage == STAGE_OK)
		check_tree(c, c->late && !lines);
	else if (c->stage != STAGE_MOUNT)
		check_stage(c);
	check_ok_file();
	if (umount2(mnt, 0)) {
		fail("umount: %m");
		umount2(mnt, UMOUNT_LAZY);
	}
}

/* Seconds that it took */
static double check_line(const struct check *c)
{
	const int want = c->stage == STAGE_MOUNT ? c->err : 0;
	const double start = now_s();
	unsigned long tainted = taint();
	unsigned int lines;
	int err;

	failed = false;
	kmsg_lines();
	err = do_mount(c);
	if (err != want && err >= 0)
		fail("mount: %s, not %s", err_name(err), err_name(want));
	if (!err) {
		check_mounted(c);
		if (kmsg_lines() > MAX_LINES)
			fail("too much in the kernel log after the check");
	} else {
		lines = kmsg_lines();
		if (lines > MAX_LINES)
			fail("%u lines in the kernel log", lines);
	}
	sources_release();
	if (taint() != tainted)
		fail("the kernel has become tainted");
	return now_s() - start;
}

static bool check_in_time(const struct check *c)
{
	double took;
	int tries;

	for (tries = 0; tries < SLOW_TRIES; tries++) {
		hot = tries || (c->stage != STAGE_READ && c->stage != STAGE_OK);
		progress->beat++;
		took = check_line(c);
		if (failed || took <= SLOW_S)
			return !failed;
		printf("# took %.1f s\n", took);
	}
	return false;
}

static void result(unsigned int i, bool ok)
{
	printf("%sok %u %s\n", ok ? "" : "not ", i + 1, checks[i].text);
	fflush(stdout);
	if (ok)
		progress->passed++;
	else
		progress->failed++;
}

static int work(unsigned int from)
{
	unsigned int i;

	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg < 0 || lseek(kmsg, 0, SEEK_END) < 0) {
		printf("Bail out! /dev/kmsg: %s\n", strerror(errno));
		fflush(stdout);
		return 1;
	}
	for (i = from; i < nr_checks; i++) {
		progress->line = i;
		result(i, check_in_time(&checks[i]));
	}
	progress->line = i;
	return 0;
}

/*
 * Waits for the child as long as it makes progress. 0: it has ended; 1: it
 * got stuck and was killed; 2: not even that ended it.
 */
static int watch(pid_t pid, int *status)
{
	unsigned int beat = progress->beat;
	double since = now_s();

	while (waitpid(pid, status, WNOHANG) != pid) {
		if (progress->beat != beat) {
			beat = progress->beat;
			since = now_s();
		}
		if (now_s() - since > STUCK_S)
			goto stuck;
		usleep(10000);
	}
	return 0;
stuck:
	kill(pid, SIGKILL);
	for (since = now_s(); now_s() - since < STUCK_S; usleep(10000))
		if (waitpid(pid, status, WNOHANG) == pid)
			return 1;
	return 2;
}

/* Returns whether all lines have been worked off */
static bool run_all(void)
{
	unsigned int from = 0;
	int status, ret;
	pid_t pid;

	while (from < nr_checks) {
		fflush(stdout);
		progress->line = from;
		pid = fork();
		if (pid < 0)
			return false;
		if (!pid)
			_exit(work(from));
		ret = watch(pid, &status);
		from = progress->line;
		if (!ret && WIFEXITED(status))
			return WEXITSTATUS(status) == 0 && from == nr_checks;
		if (from >= nr_checks)
			return false;
		if (ret)
			printf("# no end within %.0f s\n", STUCK_S);
		else
			printf("# the checker died of signal %d\n",
			       WTERMSIG(status));
		result(from++, false);
		if (ret == 2) {
			printf("Bail out! a task cannot be killed\n");
			return false;
		}
		umount2(mnt, UMOUNT_LAZY);
	}
	return true;
}

/* --------------------------------------------------------------- the list */

static bool parse_key(struct check *c, char *key, char *val)
{
	if (!strcmp(key, "devices")) {
		c->devices = val;
	} else if (!strcmp(key, "opts")) {
		c->opts = val;
	} else if (!strcmp(key, "xattr")) {
		c->xattr = val;
	} else if (!strcmp(key, "off")) {
		c->off = strtoll(val, NULL, 0);
	} else if (!strcmp(key, "pat")) {
		c->pat = strtoll(val, NULL, 0);
	} else if (!strcmp(key, "log")) {
		c->quiet = !strcmp(val, "none");
		c->late = !strcmp(val, "late");
	} else {
		return false;
	}
	return true;
}

static bool parse_check(struct check *c, char *line)
{
	char *stage, *err, *word, *val, *save;
	size_t i;

	c->name = strtok_r(line, " \n", &save);
	stage = strtok_r(NULL, " \n", &save);
	c->target = strtok_r(NULL, " \n", &save);
	err = strtok_r(NULL, " \n", &save);
	if (!err)
		return false;
	for (i = 0; i < NR_STAGES && strcmp(stage_names[i], stage); i++)
		;
	c->stage = i;
	for (i = 0; i < NR_ERRNOS && strcmp(errnos[i].name, err); i++)
		;
	if (c->stage == NR_STAGES || i == NR_ERRNOS)
		return false;
	c->err = errnos[i].err;
	while ((word = strtok_r(NULL, " \n", &save))) {
		val = strchr(word, '=');
		if (!val)
			return false;
		*val++ = 0;
		if (!parse_key(c, word, val))
			return false;
	}
	snprintf(c->text, sizeof(c->text), "%s: %s%s%s", c->name, stage,
		 c->stage == STAGE_MOUNT || c->stage == STAGE_OK ? "" : " ",
		 c->stage == STAGE_MOUNT || c->stage == STAGE_OK ? "" :
		 c->target);
	if (c->off)
		snprintf(c->text + strlen(c->text),
			 sizeof(c->text) - strlen(c->text), " at %lld", c->off);
	return c->stage != STAGE_GETXATTR || c->xattr;
}

/* The lines whose name holds only, if it is given */
static int load_list(const char *only)
{
	char file[PATH_MAX], *line = NULL;
	size_t size = 0;
	FILE *f;

	snprintf(file, sizeof(file), "%s/list.txt", dir);
	f = fopen(file, "re");
	if (!f) {
		printf("Bail out! %s: %s\n", file, strerror(errno));
		return -1;
	}
	while (getline(&line, &size, f) > 0) {
		char *copy;

		if (*line == '#' || *line == '\n' ||
		    (only && !strstr(line, only)))
			continue;
		checks = realloc(checks, (nr_checks + 1) * sizeof(*checks));
		copy = checks ? strdup(line) : NULL;
		if (!copy)
			return -1;
		memset(&checks[nr_checks], 0, sizeof(*checks));
		if (!parse_check(&checks[nr_checks++], copy)) {
			printf("Bail out! cannot read this line of %s: %s",
			       file, line);
			return -1;
		}
	}
	free(line);
	fclose(f);
	if (!nr_checks)
		printf("Bail out! %s is empty\n", file);
	return nr_checks ? 0 : -1;
}

static void find_dir(const char *arg)
{
	const char *data = getenv("EROFS_DATA");
	struct stat st;

	if (arg) {
		snprintf(dir, sizeof(dir), "%s", arg);
		return;
	}
	if (!data)
		data = "/data";
	snprintf(dir, sizeof(dir), "%s/negatives", data);
	if (stat(dir, &st))
		snprintf(dir, sizeof(dir), "%s", data);
}

static const char *why_not(void)
{
	int fd;

	if (geteuid())
		return "needs root";
	fd = syscall(__NR_fsopen, "erofs", FSOPEN_CLOEXEC);
	if (fd < 0 && errno == ENODEV)
		return "the kernel has no erofs: load the module";
	if (fd < 0)
		return "the kernel has no fsopen";
	close(fd);
	if (by_block && access("/dev/loop-control", R_OK | W_OK))
		return "no loop devices";
	return NULL;
}

int main(int argc, char **argv)
{
	const char *why, *only = NULL;
	double start;
	bool done;
	int opt;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((opt = getopt(argc, argv, "bvk:")) != -1) {
		switch (opt) {
		case 'b':
			by_block = true;
			break;
		case 'v':
			verbose = true;
			break;
		case 'k':
			only = optarg;
			break;
		default:
			fprintf(stderr,
				"usage: negatives [-b] [-v] [-k WORD] [DIR]\n");
			return 2;
		}
	}
	find_dir(argv[optind]);
	printf("KTAP version 1\n");
	why = why_not();
	if (why) {
		printf("1..0 # SKIP %s\n", why);
		return KSFT_SKIP;
	}
	if (load_list(only))
		return 1;
	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	snprintf(mnt, sizeof(mnt), "/tmp/negatives.XXXXXX");
	if (progress == MAP_FAILED || !mkdtemp(mnt)) {
		printf("Bail out! %s: %s\n", mnt, strerror(errno));
		return 1;
	}
	printf("1..%u\n", nr_checks);
	start = now_s();
	done = run_all();
	rmdir(mnt);
	printf("# %u checks by %s in %.1f s\n", nr_checks,
	       by_block ? "block device" : "file", now_s() - start);
	printf("# Totals: pass:%u fail:%u xfail:0 xpass:0 skip:0 error:0\n",
	       progress->passed, progress->failed);
	return done && !progress->failed && progress->passed == nr_checks ?
	       0 : 1;
}

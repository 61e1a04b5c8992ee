// SPDX-License-Identifier: GPL-2.0-only
/*
 * A FUSE filesystem of one flat folder of regular files, read-only, which can
 * be told to misbehave: a place for an image that lies on FUSE. It speaks the
 * protocol of /dev/fuse itself, so it needs no library in the guest.
 *
 *	fusefs [-e ERRNO] [-s BYTES] [-d MS] [-D] [-c FILE] SOURCE MOUNTPOINT
 *
 * Returns when the mount is there and leaves a daemon behind, whose pid it
 * prints. SIGUSR1 switches the faults on and off; they begin switched off.
 *
 *	-e ERRNO  reads fail
 *	-s BYTES  reads return no more than that
 *	-d MS     reads take their time
 *	-D        files are opened for direct I/O: no page cache, and a short
 *		  read is passed on as what it is
 *	-c FILE   a struct fuse_control says at any time which reads go wrong
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fusefs.h"

#define MAX_FILES	256
#define MAX_READ	(128 << 10)

static struct {
	int error, limit, delay_ms;
	bool direct;
} fault;
static volatile sig_atomic_t faulty;
static struct fuse_control *control;

static int dev = -1, source = -1;
/* Node 1 is the root; node n + 2 is the file of names[n], and never changes */
static char *names[MAX_FILES];
static unsigned int nr_names;

static void switch_faults(int sig)
{
	(void)sig;
	faulty = !faulty;
}

static void reply(const struct fuse_in_header *in, int error, const void *data,
		  size_t len)
{
	struct fuse_out_header out = {
		.len = sizeof(out) + (error ? 0 : len),
		.error = -error,
		.unique = in->unique,
	};
	struct iovec iov[2] = {
		{ &out, sizeof(out) },
		{ (void *)data, error ? 0 : len },
	};

	/* ENOENT: whoever asked has been interrupted and is gone */
	if (writev(dev, iov, 2) < 0 && errno != ENOENT)
		err(1, "reply");
}

static const char *node_name(uint64_t node)
{
	if (node == FUSE_ROOT_ID)
		return ".";
	return node - 2 < nr_names ? names[node - 2] : NULL;
}

static uint64_t node_of(const char *name)
{
	unsigned int i;

	for (i = 0; i < nr_names; i++)
		if (!strcmp(names[i], name))
			return i + 2;
	if (nr_names == MAX_FILES)
		return 0;
	names[nr_names] = strdup(name);
	return names[nr_names] ? nr_names++ + 2 : 0;
}

static int get_attr(uint64_t node, struct fuse_attr *attr)
{
	const char *name = node_name(node);
	struct stat st;

	if (!name)
		return ESTALE;
	if (fstatat(source, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno;
	if (!S_ISREG(st.st_mode) && node != FUSE_ROOT_ID)
		return ENOENT;
	memset(attr, 0, sizeof(*attr));
	attr->ino = node;
	attr->size = st.st_size;
	attr->blocks = st.st_blocks;
	attr->mtime = st.st_mtim.tv_sec;
	attr->mode = st.st_mode;
	attr->nlink = st.st_nlink;
	attr->uid = st.st_uid;
	attr->gid = st.st_gid;
	attr->blksize = 4096;
	return 0;
}

static void do_init(const struct fuse_in_header *in, const void *arg)
{
	const struct fuse_init_in *init = arg;
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 31,
		.max_readahead = init->max_readahead,
		.flags = init->flags & FUSE_ASYNC_READ,
		.max_background = 16,
		.congestion_threshold = 12,
		.max_write = 4096,
		.time_gran = 1,
	};

	reply(in, 0, &out, sizeof(out));
}

static void do_lookup(const struct fuse_in_header *in, const void *arg)
{
	struct fuse_entry_out out = { .entry_valid = 1, .attr_valid = 1 };
	struct stat st;
	int error = 0;

	if (in->nodeid != FUSE_ROOT_ID)
		error = ENOTDIR;
	else if (fstatat(source, arg, &st, AT_SYMLINK_NOFOLLOW))
		error = errno;
	else if (!S_ISREG(st.st_mode))
		error = ENOENT;
	if (!error) {
		out.nodeid = node_of(arg);
		error = out.nodeid ? get_attr(out.nodeid, &out.attr) : ENOMEM;
	}
	reply(in, error, &out, sizeof(out));
}

static void do_getattr(const struct fuse_in_header *in)
{
	struct fuse_attr_out out = { .attr_valid = 1 };
	int error = get_attr(in->nodeid, &out.attr);

	reply(in, error, &out, sizeof(out));
}

static void do_open(const struct fuse_in_header *in, const void *arg)
{
	const struct fuse_open_in *open_in = arg;
	const char *name = node_name(in->nodeid);
	struct fuse_open_out out = {
		.open_flags = fault.direct ? FOPEN_DIRECT_IO : 0,
	};
	int fd;

	if (!name || (open_in->flags & O_ACCMODE) != O_RDONLY) {
		reply(in, name ? EROFS : ESTALE, NULL, 0);
		return;
	}
	fd = openat(source, name, O_RDONLY | O_CLOEXEC);
	out.fh = fd;
	reply(in, fd < 0 ? errno : 0, &out, sizeof(out));
}

/* Whether this read goes wrong, and from now on how */
static bool is_hurt(void)
{
	struct fuse_control *c = control;
	uint32_t nr;

	if (!c)
		return faulty;
	nr = ++c->seen;
	if (!c->nth || nr < c->nth || nr > c->last)
		return false;
	fault.error = c->error;
	fault.limit = c->limit;
	fault.delay_ms = c->delay_ms;
	c->hurt++;
	while (c->stall)
		usleep(1000);
	return true;
}

static bool holds(const struct fuse_read_in *r, uint64_t at)
{
	return at >= r->offset && at - r->offset < r->size;
}

/* Is this a read of the place that cannot be read yet? */
static bool is_trapped(const struct fuse_read_in *r)
{
	struct fuse_control *c = control;

	if (!c || c->trap == TRAP_NONE)
		return false;
	if (holds(r, c->trap_after))
		c->trap = TRAP_OPEN;
	if (!holds(r, c->trap_at))
		return false;
	if (c->trap == TRAP_FAILS)
		return true;
	c->trap = TRAP_CAUGHT;
	while (c->trap != TRAP_NONE)
		usleep(1000);
	return false;
}

static uint32_t next_random(void)
{
	static uint32_t state = 1;

	state = state * 1664525 + 1013904223;
	return state >> 8;
}

/* A record, or a field, becomes another one of its block, or a value at a border */
static void spoil_block(char *block)
{
	static const uint64_t border[] = { 0, 1, UINT64_MAX, 1ULL << 63, 1ULL << 31,
					   4096, 0x7fffffff, 0xffff };
	const size_t len = 1U << next_random() % 6, nr = 4096 / len;
	char *at = block + next_random() % nr * len;

	if (len <= 8 && next_random() % 2)
		memcpy(at, &border[next_random() % 8], len);
	else
		memmove(at, block + next_random() % nr * len, len);
}

static void spoil(char *buf, size_t len)
{
	uint32_t nr;

	for (; len >= 4096; buf += 4096, len -= 4096)
		for (nr = next_random() % (control->spoil + 1); nr; nr--)
			spoil_block(buf);
}

static void do_read(const struct fuse_in_header *in, const void *arg)
{
	static char buf[MAX_READ];
	const struct fuse_read_in *r = arg;
	size_t len = r->size < sizeof(buf) ? r->size : sizeof(buf);
	bool bad = is_hurt();
	ssize_t n, i;

	if (is_trapped(r)) {
		reply(in, EIO, NULL, 0);
		return;
	}
	if (bad && fault.delay_ms)
		usleep(fault.delay_ms * 1000);
	if (bad && fault.error) {
		reply(in, fault.error, NULL, 0);
		return;
	}
	if (bad && fault.limit && len > (size_t)fault.limit)
		len = fault.limit;
	n = pread(r->fh, buf, len, r->offset);
	for (i = 0; bad && control && control->flip && i < n; i += 61)
		buf[i] ^= control->flip;
	if (n > 0 && control && control->spoil)
		spoil(buf, n);
	reply(in, n < 0 ? errno : 0, buf, n);
}

static void do_readdir(const struct fuse_in_header *in, const void *arg)
{
	const struct fuse_read_in *r = arg;
	static char buf[64 << 10];
	DIR *d = fdopendir(dup(r->fh));
	struct dirent *e;
	size_t used = 0;
	uint64_t pos = 0;

	if (!d) {
		reply(in, errno, NULL, 0);
		return;
	}
	rewinddir(d);
	while ((e = readdir(d))) {
		size_t len = strlen(e->d_name);
		struct fuse_dirent *out = (void *)(buf + used);

		if (++pos <= r->offset)
			continue;
		if (used + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + len) > r->size ||
		    used + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + len) > sizeof(buf))
			break;
		memset(out, 0, FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + len));
		out->ino = e->d_ino;
		out->off = pos;
		out->namelen = len;
		out->type = e->d_type;
		memcpy(out->name, e->d_name, len);
		used += FUSE_DIRENT_SIZE(out);
	}
	closedir(d);
	reply(in, 0, buf, used);
}

static void do_statfs(const struct fuse_in_header *in)
{
	struct fuse_statfs_out out = { .st.bsize = 4096, .st.namelen = 255 };

	reply(in, 0, &out, sizeof(out));
}

static void do_release(const struct fuse_in_header *in, const void *arg)
{
	const struct fuse_release_in *r = arg;

	close(r->fh);
	reply(in, 0, NULL, 0);
}

static void serve(const struct fuse_in_header *in)
{
	const void *arg = in + 1;

	switch (in->opcode) {
	case FUSE_INIT:
		do_init(in, arg);
		break;
	case FUSE_LOOKUP:
		do_lookup(in, arg);
		break;
	case FUSE_GETATTR:
		do_getattr(in);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		do_open(in, arg);
		break;
	case FUSE_READ:
		do_read(in, arg);
		break;
	case FUSE_READDIR:
		do_readdir(in, arg);
		break;
	case FUSE_STATFS:
		do_statfs(in);
		break;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		do_release(in, arg);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;			/* these have no reply */
	default:
		reply(in, ENOSYS, NULL, 0);
	}
}

static void loop(void)
{
	static char buf[MAX_READ + 4096] __attribute__((aligned(8)));

	for (;;) {
		ssize_t n = read(dev, buf, sizeof(buf));

		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			serve((void *)buf);
		else if (n < 0 && errno == ENODEV)
			return;			/* unmounted */
		else if (n < 0 && errno != EINTR && errno != ENOENT &&
			 errno != EAGAIN)
			err(1, "/dev/fuse");
	}
}

static void start(const char *mountpoint)
{
	char data[128];
	pid_t pid;

	dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		err(1, "/dev/fuse");
	snprintf(data, sizeof(data),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", dev);
	if (mount("fusefs", mountpoint, "fuse", MS_NOSUID | MS_NODEV, data))
		err(1, "mount %s", mountpoint);
	signal(SIGUSR1, switch_faults);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (pid) {
		printf("%d\n", pid);
		exit(0);
	}
	/*
	 * In a namespace without the mount: it ends with its last user, and the
	 * daemon, who is none, with it.
	 */
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    umount2(mountpoint, MNT_DETACH))
		err(1, "namespace");
	/* Whoever waits for the end of our output need not wait for the daemon */
	setsid();
	dup2(open("/dev/null", O_RDWR), 0);
	dup2(0, 1);
}

static void map_control(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", path);
	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE,
		       MAP_SHARED, fd, 0);
	if (control == MAP_FAILED)
		err(1, "%s", path);
	close(fd);
}

int main(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "e:s:d:Dc:")) > 0) {
		switch (opt) {
		case 'e':
			fault.error = atoi(optarg);
			break;
		case 's':
			fault.limit = atoi(optarg);
			break;
		case 'd':
			fault.delay_ms = atoi(optarg);
			break;
		case 'D':
			fault.direct = true;
			break;
		case 'c':
			map_control(optarg);
			break;
		default:
			return 2;
		}
	}
	if (argc - optind != 2)
		errx(2, "usage: fusefs [-e ERRNO] [-s BYTES] [-d MS] [-D] [-c FILE] "
		     "SOURCE MOUNTPOINT");
	source = open(argv[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (source < 0)
		err(1, "%s", argv[optind]);
	start(argv[optind + 1]);
	loop();
	return 0;
}

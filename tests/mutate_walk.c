// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading one image for tests/mutate: mount, everything in it within bounds,
 * unmount. What was seen goes into a hash, which has to be the same by file
 * and by block device; how long each operation took is watched.
 *
 * The mount is never attached: it is walked from its descriptor, and ends when
 * that is closed. System calls are what a mutant costs, so there are few.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "mutate.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#endif

#define MAX_DEPTH	5
#define MAX_VISITS	90
#define NAMES_FIRST	10		/* of a directory: so many at its start */
#define NAMES_LAST	2		/* and so many at its end */
#define MAX_GETDENTS	24
#define READ_BUDGET	(192U << 10)

const char * const stage_names[NR_STAGES] = {
	"mount", "statfs", "open", "readdir", "lookup", "read", "seek",
	"fiemap", "mmap", "direct", "readlink", "listxattr", "getxattr",
	"handle", "umount",
};

struct shared *shared;

static char buf[65536] __attribute__((aligned(4096)));
static int home = -1, loop_ctl = -1;

/* ----------------------------------------------------------------- noting */

static uint64_t started;

static void begin(enum stage stage)
{
	shared->stage = stage;
	shared->beat++;
	started = __rdtsc();
}

/* What the contract promises for a bad image, and what is no failure at all */
static bool expected(enum stage stage, int err)
{
	switch (err) {
	case 0: case EUCLEAN: case EOPNOTSUPP:
		return true;
	case EINVAL: case EBADMSG:
		/* an ACL is parsed by the kernel */
		return stage == STAGE_GETXATTR || stage == STAGE_MOUNT || stage == STAGE_DIRECT ||
			(stage == STAGE_READLINK && err == EINVAL);
	case ENODATA: case ERANGE: case E2BIG:
		return stage == STAGE_GETXATTR || stage == STAGE_LISTXATTR;
	case ENXIO:
		return stage == STAGE_SEEK || stage == STAGE_OPEN;
	case EFAULT:
		return stage == STAGE_MMAP;
	case ESTALE:
		return stage == STAGE_HANDLE;
	case ENOENT: case ELOOP: case ENOTDIR: case ENAMETOOLONG:
		return stage == STAGE_LOOKUP || stage == STAGE_OPEN;
	default:
		return false;
	}
}

/* Notes what an operation gave: a result, or -1 and errno */
static long end(struct walk *w, long ret)
{
	int err = ret < 0 ? errno : 0;
	uint64_t ticks = __rdtsc() - started;
	enum stage stage = shared->stage;

	shared->ticks[stage] += ticks;
	if (ticks > w->slowest) {
		w->slowest = ticks;
		w->slow_stage = stage;
	}
	if (err < MAX_ERRNO)
		shared->errors[stage][err]++;
	if (!expected(stage, err)) {
		w->odd = err;
		w->odd_stage = stage;
	}
	w->hash = hash_bytes(w->hash ^ stage, &err, sizeof(err));
	return ret;
}

#define OP(w, stage, call) ({ begin(stage); end(w, (call)); })

static void note(struct walk *w, const void *p, size_t len)
{
	w->hash = hash_bytes(w->hash, p, len);
}

static void note_number(struct walk *w, uint64_t v)
{
	note(w, &v, sizeof(v));
}

/* ------------------------------------------------------------------ files */

static long read_at(struct walk *w, int fd, off_t off, size_t len, off_t size)
{
	const uint64_t room = INT64_MAX - off;
	long n;

	if (off < 0)
		return 0;
	n = OP(w, STAGE_READ, pread(fd, buf, len < room ? len : room, off));

	if (n > 0) {
		note(w, buf, n);
		if (off + n > size)
			w->wrong = "a read goes beyond the end of the file";
	}
	note_number(w, n);
	return n;
}

static void read_spots(struct walk *w, int fd, off_t size)
{
	read_at(w, fd, size / 3 | 1, 5000, size);
	if (size <= (off_t)READ_BUDGET)
		return;
	read_at(w, fd, size / 2, 4096, size);
	read_at(w, fd, size - 4097, 8192, size);
	read_at(w, fd, size - 70001, 9000, size);
	read_at(w, fd, (1LL << 31) - 3000, 6000, size);
	read_at(w, fd, (1LL << 32) - 3000, 6000, size);
}

static void read_start(struct walk *w, int fd, off_t size)
{
	off_t off = 0;
	int calls;
	long n;

	/* a short one ends where the next one fails */
	for (calls = 0; calls < 6 && off < size && off < (off_t)READ_BUDGET;
	     calls++) {
		n = read_at(w, fd, off, sizeof(buf), size);
		off += n > 0 ? n : (long)sizeof(buf);
	}
	if (w->number & 1)
		read_at(w, fd, size, 100, size);
}

static void seek_holes(struct walk *w, int fd, off_t size)
{
	off_t at = 0, next;
	int n;

	for (n = 0; n < 10 && at < size; n++, at = next) {
		next = OP(w, STAGE_SEEK, lseek(fd, at, n & 1 ? SEEK_HOLE :
					       SEEK_DATA));
		note_number(w, next);
		if (next < 0)
			break;
		if (next < at || next > size)
			w->wrong = "a seek goes backwards or out of the file";
	}
}

static void map_extents(struct walk *w, int fd)
{
	static struct {
		struct fiemap map;
		struct fiemap_extent extents[24];
	} fm;
	uint64_t start = 0;
	unsigned int n, calls;

	for (calls = 0; calls < 3; calls++) {
		memset(&fm.map, 0, sizeof(fm.map));
		fm.map.fm_start = start;
		fm.map.fm_length = ~0ULL - start;
		fm.map.fm_extent_count = ARRAY_SIZE(fm.extents);
		if (OP(w, STAGE_FIEMAP, ioctl(fd, FS_IOC_FIEMAP, &fm)) < 0)
			return;
		n = fm.map.fm_mapped_extents;
		if (n > ARRAY_SIZE(fm.extents)) {
			w->wrong = "more extents than there is room for";
			return;
		}
		for (; n; n--) {
			const struct fiemap_extent *x = &fm.extents[n - 1];

			if (!x->fe_length)
				w->wrong = "an extent of no length";
			note_number(w, x->fe_logical ^ x->fe_length << 20);
			note_number(w, x->fe_physical ^ x->fe_flags);
		}
		n = fm.map.fm_mapped_extents;
		if (!n || fm.extents[n - 1].fe_flags & FIEMAP_EXTENT_LAST)
			return;
		start = fm.extents[n - 1].fe_logical +
			fm.extents[n - 1].fe_length;
	}
}

static void map_memory(struct walk *w, int fd, off_t at, size_t len)
{
	void *p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, at & ~4095LL);

	if (p == MAP_FAILED)
		return;
	if (!OP(w, STAGE_MMAP, madvise(p, len, MADV_POPULATE_READ)))
		note(w, p, len);
	munmap(p, len);
}

static void read_direct(struct walk *w, const char *name)
{
	int fd = open(name, O_RDONLY | O_NOFOLLOW | O_DIRECT | O_CLOEXEC);
	uint64_t hash = w->hash;
	long n;

	if (fd < 0)
		return;
	n = OP(w, STAGE_DIRECT, pread(fd, buf, 16384, 0));
	if (n > 0)
		n = OP(w, STAGE_DIRECT, pread(fd, buf, 8192, 8192));
	/* devices may do what files cannot */
	w->hash = hash;
	close(fd);
}

static void visit_file(struct walk *w, const char *name, off_t size)
{
	int fd = OP(w, STAGE_OPEN, open(name, O_RDONLY | O_NOFOLLOW |
					O_NONBLOCK | O_CLOEXEC));
	bool backwards = w->number & 1;
	unsigned int nr = w->files++;

	if (fd < 0)
		return;
	if ((w->number & 7) == 2)
		posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
	if (nr < 2 && (w->number & 3) == 3) {
		map_memory(w, fd, 0, size < 65536 ? size : 65536);
		map_memory(w, fd, size ? size - 1 : 0, 4096);
	}
	if (backwards)
		read_spots(w, fd, size);
	read_start(w, fd, size);
	if (!backwards)
		read_spots(w, fd, size);
	if (backwards)
		seek_holes(w, fd, size);
	else
		map_extents(w, fd);
	close(fd);
	if (nr < 2 && (w->number & 7) == 5)
		read_direct(w, name);
}

/* ------------------------------------------------------------ other things */

static void read_xattr(struct walk *w, const char *path, const char *name)
{
	static char value[65536];
	long n = OP(w, STAGE_GETXATTR, lgetxattr(path, name, value,
						 sizeof(value)));

	if (n > 0)
		note(w, value, n);
}

static void visit_xattrs(struct walk *w, const char *path)
{
	static char names[65536];
	long n = OP(w, STAGE_LISTXATTR, llistxattr(path, names,
						   sizeof(names)));
	char *name;
	int nr = 0;

	if (n > 0 && names[n - 1]) {
		w->wrong = "a list of attributes without an end";
		return;
	}
	for (name = names; n > 0 && name < names + n && nr < 12;
	     name += strlen(name) + 1, nr++) {
		note(w, name, strlen(name));
		read_xattr(w, path, name);
	}
	if ((w->number & 3) == 1)
		read_xattr(w, path, "user.absent");
	if ((w->number & 3) == 2)
		read_xattr(w, path, "system.posix_acl_access");
}

static void visit_link(struct walk *w, const char *name)
{
	long n = OP(w, STAGE_READLINK, readlink(name, buf, sizeof(buf)));

	if (n > 0)
		note(w, buf, n);
}

static void open_handle(struct walk *w, struct file_handle *fh)
{
	struct stat st;
	int fd = OP(w, STAGE_HANDLE, open_by_handle_at(w->root, fh, O_PATH |
						       O_CLOEXEC));

	if (fd < 0)
		return;
	if (!fstat(fd, &st))
		note_number(w, st.st_size ^ st.st_mode);
	close(fd);
}

/* The handle of a file, and others that nobody has ever been given */
static void visit_handle(struct walk *w, const char *name)
{
	static char raw[sizeof(struct file_handle) + MAX_HANDLE_SZ]
		__attribute__((aligned(8)));
	struct file_handle *fh = (struct file_handle *)raw;
	char *bytes = raw + offsetof(struct file_handle, f_handle);
	struct rnd r = { w->number };
	int id, n;

	fh->handle_bytes = MAX_HANDLE_SZ;
	if (OP(w, STAGE_HANDLE, name_to_handle_at(AT_FDCWD, name, fh, &id, 0)))
		return;
	open_handle(w, fh);
	for (n = 0; n < 3; n++) {
		bytes[rnd_below(&r, fh->handle_bytes)] ^= 1 << rnd_below(&r, 8);
		open_handle(w, fh);
	}
}

/* ------------------------------------------------------------ directories */

struct names {
	unsigned int nr;
	char name[NAMES_FIRST + NAMES_LAST][256];
};

static void add_name(struct walk *w, struct names *names, const char *name)
{
	unsigned int at = names->nr++;
	size_t len = strlen(name);

	if (!len || len > 255 || strchr(name, '/'))
		w->wrong = "a name that none can have";
	if (at >= NAMES_FIRST + NAMES_LAST)
		at = NAMES_FIRST + (at - NAMES_FIRST) % NAMES_LAST;
	memcpy(names->name[at], name, len < 256 ? len + 1 : 0);
}

static void list_names(struct walk *w, int fd, struct names *names)
{
	struct dirent64 *de;
	long n, off;
	int calls;

	names->nr = 0;
	for (calls = 0; calls < MAX_GETDENTS; calls++) {
		n = OP(w, STAGE_READDIR, syscall(__NR_getdents64, fd, buf,
						 16384));
		if (n <= 0)
			return;
		for (off = 0; off < n; off += de->d_reclen) {
			de = (struct dirent64 *)(buf + off);
			note(w, de->d_name, strlen(de->d_name));
			note_number(w, de->d_ino ^ (uint64_t)de->d_type << 60);
			if (strcmp(de->d_name, ".") &&
			    strcmp(de->d_name, ".."))
				add_name(w, names, de->d_name);
		}
	}
}

/* Many names of one file are looked up, but it is read once */
static bool seen_before(struct walk *w, uint64_t ino)
{
	unsigned int n;

	for (n = 0; n < w->nr_seen; n++)
		if (w->seen[n] == ino)
			return true;
	if (w->nr_seen < ARRAY_SIZE(w->seen))
		w->seen[w->nr_seen++] = ino;
	return false;
}

static void visit_dir(struct walk *w, const char *name, int depth);

static void visit(struct walk *w, const char *name, int depth)
{
	struct stat st;

	if (!w->budget)
		return;
	w->budget--;
	if (OP(w, STAGE_LOOKUP, lstat(name, &st)))
		return;
	st.st_dev = 0;
	note_number(w, st.st_ino ^ (uint64_t)st.st_mode << 40);
	note_number(w, st.st_size ^ (uint64_t)st.st_nlink << 50);
	note_number(w, st.st_blocks ^ st.st_rdev << 32);
	note_number(w, st.st_mtim.tv_sec ^ st.st_mtim.tv_nsec);
	note_number(w, (uint64_t)st.st_uid << 32 | st.st_gid);
	if (st.st_size < 0)
		w->wrong = "a negative size";
	if (seen_before(w, st.st_ino))
		return;
	visit_xattrs(w, name);
	if ((w->number & 15) == 6)
		visit_handle(w, name);
	if (S_ISREG(st.st_mode))
		visit_file(w, name, st.st_size);
	else if (S_ISLNK(st.st_mode))
		visit_link(w, name);
	else if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH)
		visit_dir(w, name, depth + 1);
}

/* The working directory is the one that name is in */
static void visit_dir(struct walk *w, const char *name, int depth)
{
	static struct names all[MAX_DEPTH + 2];
	struct names *names = &all[depth];
	int fd, above;
	unsigned int n;

	fd = OP(w, STAGE_OPEN, open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
				    O_CLOEXEC));
	if (fd < 0)
		return;
	above = open(".", O_PATH | O_CLOEXEC);
	list_names(w, fd, names);
	if (above >= 0 && !fchdir(fd)) {
		for (n = 0; n < names->nr && n < ARRAY_SIZE(names->name); n++)
			visit(w, names->name[n], depth);
		if (fchdir(above))
			w->wrong = "no way back out of a directory";
	}
	if (above >= 0)
		close(above);
	close(fd);
}

/* ------------------------------------------------------------------ mount */

static int config_fd(int fs, const char *key, int fd)
{
	return syscall(__NR_fsconfig, fs, FSCONFIG_SET_FD, key, NULL, fd);
}

static double cpu_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* What the kernel has for itself; caches of files do not count */
static long kernel_kb(void)
{
	static const char * const words[] = { "\nSlab:", "\nVmallocUsed:",
					      "\nPercpu:" };
	static int fd = -1;
	char text[4096], *at;
	long kb = 0;
	ssize_t n;
	size_t i;

	if (fd < 0)
		fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n < 0 ? 0 : n] = 0;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		at = strstr(text, words[i]);
		if (at)
			kb += atol(at + strlen(words[i]));
	}
	return kb;
}

/* A mount's descriptor, or -1 */
static int mount_image(struct image *img, struct walk *w, int source)
{
	int fs = syscall(__NR_fsopen, "erofs", FSOPEN_CLOEXEC), mnt = -1, n;
	double start;
	long err;

	if (fs < 0) {
		w->wrong = "fsopen failed";
		return -1;
	}
	if (config_fd(fs, "source", source))
		w->wrong = "the source was refused";
	for (n = 0; n < img->nr_devs; n++)
		if (config_fd(fs, "device", img->dev_fd[n]))
			w->wrong = "a device was refused";
	start = cpu_s();
	err = OP(w, STAGE_MOUNT, syscall(__NR_fsconfig, fs, FSCONFIG_CMD_CREATE,
					 NULL, NULL, 0));
	w->mount_cpu_s = cpu_s() - start;
	if (!err) {
		mnt = syscall(__NR_fsmount, fs, FSMOUNT_CLOEXEC, 0);
		if (mnt < 0)
			w->wrong = "fsmount failed";
	}
	close(fs);
	return mnt;
}

/* Sectors: as far as the reader of a file-backed mount runs ahead */
#define LOOP_READAHEAD	1024UL

/*
 * Records that contradict each other may be an error or not, depending on where
 * a window begins. So both ways have the same windows, and can be compared.
 */
static int loop_open(int file)
{
	struct loop_config config = {
		.fd = file,
		.info.lo_flags = LO_FLAGS_READ_ONLY,
	};
	char path[32];
	int nr = ioctl(loop_ctl, LOOP_CTL_GET_FREE), fd;

	if (nr < 0)
		return -1;
	snprintf(path, sizeof(path), "/dev/loop%d", nr);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, LOOP_CONFIGURE, &config) ||
	    ioctl(fd, BLKRASET, LOOP_READAHEAD)) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static void walk_mount(struct walk *w, int mnt)
{
	struct statfs sfs;

	if (!OP(w, STAGE_STATFS, fstatfs(mnt, &sfs))) {
		note_number(w, sfs.f_blocks ^ sfs.f_files << 32);
		note_number(w, sfs.f_bsize ^ sfs.f_type);
	}
	/* who may is asked first, and an ACL of the root may be unreadable */
	if (OP(w, STAGE_OPEN, fchdir(mnt)))
		return;
	/* the mount's own descriptor is none that handles could be opened by */
	w->root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	visit_xattrs(w, ".");
	visit_dir(w, ".", 0);
	if (w->root >= 0)
		close(w->root);
	if (fchdir(home))
		abort();
}

void walk_image(struct image *img, struct walk *w)
{
	int source = img->fd, mnt;
	long before;

	w->hash = 0;
	w->slowest = 0;
	w->wrong = NULL;
	w->odd = 0;
	w->files = w->nr_seen = 0;
	w->budget = MAX_VISITS;
	if (w->by_block) {
		source = loop_open(img->fd);
		if (source < 0) {
			w->wrong = "no loop device";
			return;
		}
	}
	before = kernel_kb();
	mnt = mount_image(img, w, source);
	if (mnt >= 0) {
		walk_mount(w, mnt);
		w->grown_kb = kernel_kb() - before;
		OP(w, STAGE_UMOUNT, close(mnt));
	}
	if (w->by_block) {
		ioctl(source, LOOP_CLR_FD);
		close(source);
	}
}

int walk_init(void)
{
	home = open("/", O_PATH | O_CLOEXEC);
	loop_ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	return home < 0 ? -1 : 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Implementation of fileops.h.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fileops.h"

/* More of a file would only make the same reads again */
#define MAX_FILE	(256 << 10)

void sum_bytes(uint64_t *sum, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len--)
		*sum = (*sum ^ *p++) * 0x100000001b3ULL;
}

static void sum_u64(uint64_t *sum, uint64_t value)
{
	sum_bytes(sum, &value, sizeof(value));
}

void forget_all(int fd)
{
	if (fd >= 0)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	NEED_OK(write_str("/proc/sys/vm/drop_caches", "3"), "drop_caches");
}

/* ------------------------------------------------------- what there is to ask */

static struct subject *finding;
static size_t most_entries, longest_link, most_xattrs;

static size_t count_entries(const char *path)
{
	DIR *d = opendir(path);
	size_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static void keep_larger(size_t *most, size_t value, char *slot, const char *path)
{
	if (value <= *most)
		return;
	*most = value;
	snprintf(slot, PATH_MAX, "%s", path);
}

static int look_at(const char *path, const struct stat *st, int flag,
		   struct FTW *ftw)
{
	struct subject *s = finding;
	char names[65536];
	size_t size = st->st_size;
	ssize_t n;

	(void)ftw;
	n = llistxattr(path, names, sizeof(names));
	if (n > 0 && (size_t)n > most_xattrs) {
		keep_larger(&most_xattrs, n, s->xattr, path);
		snprintf(s->name, sizeof(s->name), "%.255s", names);
	}
	if (flag == FTW_SL)
		keep_larger(&longest_link, size, s->link, path);
	if (flag == FTW_D)
		keep_larger(&most_entries, count_entries(path), s->dir, path);
	if (flag == FTW_F && S_ISREG(st->st_mode) && size <= MAX_FILE)
		keep_larger(&s->size, size, s->file, path);
	return 0;
}

static void find_handle(struct subject *s)
{
	struct file_handle *fh = (void *)&s->handle;
	int id;

	fh->handle_bytes = sizeof(s->handle.handle);
	if (!name_to_handle_at(AT_FDCWD, s->file, fh, &id, 0))
		return;
	/* What lies above may have none */
	NEED(errno == EOPNOTSUPP, "name_to_handle_at: %m");
	s->handle.bytes = 0;
}

void subject_find(struct subject *s)
{
	finding = s;
	most_entries = longest_link = most_xattrs = 0;
	s->size = 0;
	NEED(!nftw(s->mnt, look_at, 16, FTW_PHYS), "walk %s: %m", s->mnt);
	NEED(s->dir[0] && s->file[0], "%s holds nothing", s->src.path);
	find_handle(s);
}

/* ---------------------------------------------------------------- operations */

static int op_stat(const struct subject *s, int fd, uint64_t *sum)
{
	struct stat st;

	(void)fd;
	if (stat(s->file, &st))
		return -errno;
	sum_u64(sum, st.st_ino);
	sum_u64(sum, st.st_mode);
	sum_u64(sum, st.st_nlink);
	sum_u64(sum, (uint64_t)st.st_uid << 32 | st.st_gid);
	sum_u64(sum, st.st_size);
	sum_u64(sum, st.st_blocks);
	sum_u64(sum, st.st_mtim.tv_sec);
	sum_u64(sum, st.st_mtim.tv_nsec);
	return 0;
}

static int op_lookup_none(const struct subject *s, int fd, uint64_t *sum)
{
	char path[PATH_MAX + 32];
	int err;

	(void)fd;
	snprintf(path, sizeof(path), "%s/there is none", s->dir);
	err = access(path, F_OK) ? -errno : -EEXIST;
	if (err == -ENOENT)
		err = 0;
	sum_u64(sum, err);
	return err;
}

static int op_readdir(const struct subject *s, int fd, uint64_t *sum)
{
	DIR *d = fdopendir(dup(fd));
	struct dirent *e;
	int err;

	(void)s;
	if (!d)
		return -errno;
	rewinddir(d);
	for (errno = 0; (e = readdir(d)); errno = 0) {
		sum_bytes(sum, e->d_name, strlen(e->d_name) + 1);
		sum_u64(sum, e->d_ino);
		sum_u64(sum, e->d_type);
	}
	err = -errno;
	closedir(d);
	return err;
}

static int read_pieces(int fd, uint64_t size, size_t piece, uint64_t *sum)
{
	static _Thread_local char buf[1 << 16];
	uint64_t off;

	for (off = 0; off < size; off += piece) {
		ssize_t n = pread_full(fd, buf, piece, off);

		if (n < 0)
			return n;
		if ((size_t)n != piece && off + n != size)
			return -ENODATA;
		sum_bytes(sum, buf, n);
	}
	return 0;
}

static int op_read(const struct subject *s, int fd, uint64_t *sum)
{
	return read_pieces(fd, s->size, 1 << 16, sum);
}

/* No readahead: each page is a call of its own into the filesystem */
static int op_read_pages(const struct subject *s, int fd, uint64_t *sum)
{
	uint64_t size = s->size < 65536 ? s->size : 65536;
	int err = posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);

	return err ? -err : read_pieces(fd, size, 4096, sum);
}

static int op_read_direct(const struct subject *s, int fd, uint64_t *sum)
{
	static _Thread_local char buf[1 << 16] __attribute__((aligned(4096)));
	uint64_t size = s->size & ~4095ULL, off;

	for (off = 0; off < size; off += sizeof(buf)) {
		size_t want = size - off < sizeof(buf) ? size - off : sizeof(buf);
		ssize_t n = pread_full(fd, buf, want, off);

		if (n < 0)
			return n;
		if ((size_t)n != want)
			return -ENODATA;
		sum_bytes(sum, buf, n);
	}
	return 0;
}

static sigjmp_buf no_bytes;

static void bus_error(int sig)
{
	siglongjmp(no_bytes, sig);
}

/* A page that cannot be had is a SIGBUS, which counts as EIO here */
static int op_mmap(const struct subject *s, int fd, uint64_t *sum)
{
	struct sigaction old, act = { .sa_handler = bus_error };
	char *map = mmap(NULL, s->size, PROT_READ, MAP_SHARED, fd, 0);
	volatile int err = 0;

	if (map == MAP_FAILED)
		return -errno;
	sigaction(SIGBUS, &act, &old);
	if (sigsetjmp(no_bytes, 1))
		err = -EIO;
	else
		sum_bytes(sum, map, s->size);
	sigaction(SIGBUS, &old, NULL);
	munmap(map, s->size);
	return err;
}

static int op_readlink(const struct subject *s, int fd, uint64_t *sum)
{
	char buf[PATH_MAX];
	ssize_t n = readlink(s->link, buf, sizeof(buf));

	(void)fd;
	if (n < 0)
		return -errno;
	sum_bytes(sum, buf, n);
	return 0;
}

static int op_getxattr(const struct subject *s, int fd, uint64_t *sum)
{
	char buf[65536];
	ssize_t n = lgetxattr(s->xattr, s->name, buf, sizeof(buf));

	(void)fd;
	if (n < 0)
		return -errno;
	sum_bytes(sum, buf, n);
	return 0;
}

static int op_no_xattr(const struct subject *s, int fd, uint64_t *sum)
{
	ssize_t n = lgetxattr(s->xattr, "user.there.is.none", NULL, 0);
	int err = n < 0 ? -errno : -EEXIST;

	(void)fd;
	if (err == -ENODATA)
		err = 0;
	sum_u64(sum, err);
	return err;
}

static int op_listxattr(const struct subject *s, int fd, uint64_t *sum)
{
	char buf[65536];
	ssize_t n = llistxattr(s->xattr, buf, sizeof(buf));

	(void)fd;
	if (n < 0)
		return -errno;
	sum_bytes(sum, buf, n);
	return 0;
}

static int op_fiemap(const struct subject *s, int fd, uint64_t *sum)
{
	static _Thread_local struct {
		struct fiemap map;
		struct fiemap_extent extent[128];
	} m;

	(void)s;
	memset(&m.map, 0, sizeof(m.map));
	m.map.fm_length = ~0ULL;
	m.map.fm_extent_count = ARRAY_SIZE(m.extent);
	if (ioctl(fd, FS_IOC_FIEMAP, &m.map))
		return -errno;
	sum_u64(sum, m.map.fm_mapped_extents);
	sum_bytes(sum, m.map.fm_extents,
		  m.map.fm_mapped_extents * sizeof(m.extent[0]));
	return 0;
}

static int op_seek(const struct subject *s, int fd, uint64_t *sum)
{
	int whence = SEEK_DATA;
	off_t pos = 0;

	while (pos < (off_t)s->size) {
		pos = lseek(fd, pos, whence);
		if (pos < 0 && errno == ENXIO)
			break;
		if (pos < 0)
			return -errno;
		sum_u64(sum, pos);
		whence = whence == SEEK_DATA ? SEEK_HOLE : SEEK_DATA;
	}
	return 0;
}

static int op_statfs(const struct subject *s, int fd, uint64_t *sum)
{
	struct statfs st;

	(void)fd;
	if (statfs(s->mnt, &st))
		return -errno;
	sum_u64(sum, st.f_type);
	sum_u64(sum, st.f_blocks);
	sum_u64(sum, st.f_files);
	return 0;
}

static int op_handle(const struct subject *s, int fd, uint64_t *sum)
{
	struct stat st;
	int file;

	if (!s->handle.bytes)
		return -EOPNOTSUPP;
	file = open_by_handle_at(fd, (void *)&s->handle, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return -errno;
	if (!fstat(file, &st))
		sum_u64(sum, st.st_ino);
	close(file);
	return 0;
}

#define ABOUT(field)	.what = offsetof(struct subject, field)

const struct file_op file_ops[] = {
	{ "stat", COLD, 0, op_stat, ABOUT(file) },
	{ "lookup-none", COLD, 0, op_lookup_none, ABOUT(dir) },
	{ "readdir", COLD_DATA, O_DIRECTORY, op_readdir, ABOUT(dir) },
	{ "read", COLD_DATA, 0, op_read, ABOUT(file) },
	{ "read-pages", COLD_DATA, 0, op_read_pages, ABOUT(file) },
	{ "read-direct", COLD_DATA, O_DIRECT, op_read_direct, ABOUT(file) },
	{ "mmap", COLD_DATA, 0, op_mmap, ABOUT(file) },
	{ "readlink", COLD, 0, op_readlink, ABOUT(link) },
	{ "getxattr", COLD, 0, op_getxattr, ABOUT(xattr) },
	{ "getxattr-none", COLD, 0, op_no_xattr, ABOUT(xattr) },
	{ "listxattr", COLD, 0, op_listxattr, ABOUT(xattr) },
	{ "fiemap", COLD_DATA, 0, op_fiemap, ABOUT(file) },
	{ "seek", COLD_DATA, 0, op_seek, ABOUT(file) },
	{ "statfs", COLD, 0, op_statfs, ABOUT(dir) },
	{ "handle", COLD_DATA, O_DIRECTORY, op_handle, ABOUT(dir) },
};
const size_t nr_file_ops = ARRAY_SIZE(file_ops);

const struct file_op *file_op_find(const char *name)
{
	size_t i;

	for (i = 0; i < nr_file_ops; i++)
		if (!strcmp(file_ops[i].name, name))
			return &file_ops[i];
	NEED(false, "no operation %s", name);
	return NULL;
}

const char *op_path(const struct file_op *op, const struct subject *s)
{
	return (const char *)s + op->what;
}

int op_open(const struct file_op *op, const struct subject *s)
{
	if (op->warmth == COLD)
		return -1;
	return open(op_path(op, s), O_RDONLY | O_CLOEXEC | op->open_flags);
}

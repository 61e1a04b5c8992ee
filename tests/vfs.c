// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a mounted image looks like to programs, beyond names and bytes: every
 * call that a read-only filesystem answers, compared with what is known about
 * the image, or with the bytes of the image itself. Where the transport could
 * matter, a case runs on a file and on a block device.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib_mount.h"
#include "pattern.h"

#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN		0x00002000U
#endif
#ifndef FS_IOC_GETFSLABEL
#define FS_IOC_GETFSLABEL	_IOR(0x94, 49, char[256])
#endif

static const char *mount_image(const char *name, enum via via, const char *at)
{
	const struct image *img = image_find(name);
	const char *dir = new_dir(at);
	struct source src;

	image_source(img, via, &src);
	NEED_OK(mount_at(&src, dir), name);
	return dir;
}

static enum via via_of(const void *arg)
{
	return arg ? *(const enum via *)arg : VIA_PATH;
}

static const enum via via_file = VIA_PATH, via_block = VIA_LOOP;

/* ------------------------------------------------- the image's own bytes */

struct geometry {
	int fd;
	uint64_t base;			/* fsoffset */
	unsigned int bs;
	uint64_t meta, root, inos, blocks, build;
	uint32_t nsec;
	unsigned char uuid[16];
};

static uint64_t le(const unsigned char *p, unsigned int bytes)
{
	uint64_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static void read_geometry(const char *path, uint64_t base, struct geometry *g)
{
	unsigned char sb[128];

	g->fd = open_need(path, O_RDONLY);
	g->base = base;
	NEED(pread_full(g->fd, sb, sizeof(sb), base + 1024) == sizeof(sb),
	     "superblock of %s", path);
	g->bs = 1U << sb[12];
	g->root = le(sb + 14, 2);
	g->inos = le(sb + 16, 8);
	g->build = le(sb + 24, 8) + le(sb + 108, 4);
	g->nsec = le(sb + 32, 4);
	g->blocks = le(sb + 36, 4);
	g->meta = le(sb + 40, 4) * g->bs;
	memcpy(g->uuid, sb + 48, 16);
}

static void image_geometry(const char *name, struct geometry *g)
{
	read_geometry(data_path(image_find(name)->image), 0, g);
}

/* ------------------------------------------------------------------- stat */

static void check_stat(const char *path, const struct geometry *g)
{
	unsigned char inode[64];
	struct stat st;
	uint64_t size, blocks;

	NEED(!lstat(path, &st), "%s: %m", path);
	NEED(pread_full(g->fd, inode, sizeof(inode),
			g->base + g->meta + st.st_ino * 32) >= 32,
	     "%s: no inode at nid %llu", path, (unsigned long long)st.st_ino);
	size = inode[0] & 1 ? le(inode + 8, 8) : le(inode + 8, 4);
	CHECK((uint64_t)st.st_size == size &&
	      st.st_mode == (mode_t)le(inode + 4, 2),
	      "%s: inode number %llu is not that of its inode", path,
	      (unsigned long long)st.st_ino);
	blocks = (size + g->bs - 1) / g->bs * (g->bs / 512);
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		CHECK((uint64_t)st.st_blocks == blocks, "%s: %lld blocks, not %llu",
		      path, (long long)st.st_blocks, (unsigned long long)blocks);
	CHECK(!memcmp(&st.st_atim, &st.st_mtim, sizeof(st.st_atim)) &&
	      !memcmp(&st.st_ctim, &st.st_mtim, sizeof(st.st_ctim)),
	      "%s: three different times", path);
	if (inode[0] & 1)
		CHECK(st.st_mtim.tv_sec == (time_t)le(inode + 32, 8) &&
		      st.st_mtim.tv_nsec == (long)le(inode + 40, 4),
		      "%s: mtime", path);
}

static const char * const some_paths[] = {
	".", "exact", "sizes", "sizes/0", "sizes/1", "sizes/513", "sizes/4096",
	"sizes/65537", "links/hard-a", "links/hard-b", "links/31", "links/4095",
	"special/fifo", "special/null", "modes/all", "times/1901", "times/2446",
	"dirs/fifty", "dirs/empty", "sparse/hole-odd",
};

static void stat_fields(const void *arg)
{
	static const char * const images[] = { "default-4096", "chunk8-4k-512",
					       "extended-1024" };
	char at[16];
	size_t i, k;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(images); i++) {
		struct geometry g;
		struct stat a, b;
		const char *dir;

		snprintf(at, sizeof(at), "mnt%zu", i);
		dir = mount_image(images[i], VIA_PATH, at);
		image_geometry(images[i], &g);
		for (k = 0; k < ARRAY_SIZE(some_paths); k++)
			check_stat(below(dir, some_paths[k]), &g);
		NEED(!stat(dir, &a) && !stat(below(dir, "links/.."), &b), "%m");
		CHECK(a.st_ino == g.root && b.st_ino == g.root,
		      "root is %llu, not %llu", (unsigned long long)a.st_ino,
		      (unsigned long long)g.root);
		NEED(!stat(below(dir, "links/hard-a"), &a) &&
		     !stat(below(dir, "links/hard-c"), &b), "%m");
		CHECK(a.st_ino == b.st_ino && a.st_nlink == 3, "hard links");
		NEED(!stat(below(dir, "special/large"), &a), "%m");
		CHECK(a.st_rdev == makedev(4095, 1048575), "rdev %llx",
		      (unsigned long long)a.st_rdev);
	}
}

static void get_statx(const char *path, struct statx *stx)
{
	memset(stx, 0, sizeof(*stx));
	NEED(!syscall(__NR_statx, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW,
		      STATX_BASIC_STATS | STATX_BTIME | STATX_DIOALIGN, stx),
	     "statx %s: %m", path);
}

static void statx_fields(const void *arg)
{
	static const char * const images[] = { "default-4096", "48bit-4096",
					       "dot-omitted-512" };
	char at[16];
	size_t i, k;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(images); i++) {
		struct geometry g;
		const char *dir;

		snprintf(at, sizeof(at), "mnt%zu", i);
		dir = mount_image(images[i], VIA_PATH, at);
		image_geometry(images[i], &g);
		for (k = 0; k < ARRAY_SIZE(some_paths); k++) {
			struct statx stx;

			/* 48-bit images are made without the odd times */
			if (access(below(dir, some_paths[k]), F_OK))
				continue;
			get_statx(below(dir, some_paths[k]), &stx);
			CHECK(stx.stx_attributes_mask & stx.stx_attributes &
			      STATX_ATTR_IMMUTABLE, "%s: not immutable",
			      some_paths[k]);
			CHECK(!(stx.stx_attributes & STATX_ATTR_COMPRESSED),
			      "%s: compressed", some_paths[k]);
			CHECK(stx.stx_mask & STATX_BTIME, "no birth time");
			CHECK(stx.stx_btime.tv_sec == (int64_t)g.build &&
			      stx.stx_btime.tv_nsec == g.nsec,
			      "born at %lld, not %llu",
			      (long long)stx.stx_btime.tv_sec,
			      (unsigned long long)g.build);
		}
	}
}

static void statx_compressed(const void *arg)
{
	const char *dir = mount_image("lz4", VIA_PATH, "mnt");
	struct statx stx;

	(void)arg;
	get_statx(below(dir, "sparse/hole-all"), &stx);
	CHECK(stx.stx_attributes & STATX_ATTR_COMPRESSED, "not compressed");
	CHECK(stx.stx_attributes & STATX_ATTR_IMMUTABLE, "not immutable");
	CHECK(stx.stx_size == pattern_sparse[3].size, "size %llu",
	      (unsigned long long)stx.stx_size);
	get_statx(below(dir, "sizes/0"), &stx);
	CHECK(!(stx.stx_attributes & STATX_ATTR_COMPRESSED), "empty: compressed");
}

static void statfs_fields(const void *arg)
{
	static const char * const images[] = { "default-512", "default-4096",
					       "rebuilt3-4096" };
	char at[16];
	size_t i, k;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(images); i++) {
		const struct image *img = image_find(images[i]);
		struct geometry g;
		struct statfs fs, again;
		uint64_t blocks;
		const char *dir;

		snprintf(at, sizeof(at), "mnt%zu", i);
		dir = mount_image(images[i], VIA_PATH, at);
		image_geometry(images[i], &g);
		blocks = g.blocks;
		for (k = 0; k < (size_t)img->nr_dev; k++) {
			struct stat st;

			NEED(!stat(data_path(img->dev[k]), &st), "%m");
			blocks += st.st_size / g.bs;
		}
		NEED(!statfs(dir, &fs), "statfs: %m");
		CHECK(fs.f_type == EROFS_STATFS_TYPE, "type %lx", (long)fs.f_type);
		CHECK(fs.f_bsize == g.bs, "bsize %ld", (long)fs.f_bsize);
		CHECK(fs.f_blocks == blocks, "%llu blocks, not %llu",
		      (unsigned long long)fs.f_blocks, (unsigned long long)blocks);
		CHECK(!fs.f_bfree && !fs.f_bavail, "free blocks");
		CHECK(fs.f_files == g.inos, "%llu files, not %llu",
		      (unsigned long long)fs.f_files, (unsigned long long)g.inos);
		CHECK(fs.f_namelen == 255, "namelen %ld", (long)fs.f_namelen);
		CHECK(fs.f_flags & 1 /* ST_RDONLY */, "not read-only");
		CHECK(fs.f_fsid.__val[0] || fs.f_fsid.__val[1], "no fsid");
		NEED(!statfs(below(dir, "."), &again), "statfs: %m");
		CHECK(!memcmp(&fs.f_fsid, &again.f_fsid, sizeof(fs.f_fsid)),
		      "fsid changes");
	}
}

/* The fsid is the image's, not the mount's: the same by file and by block */
static void statfs_fsid(const void *arg)
{
	struct statfs a, b, c;

	(void)arg;
	NEED(!statfs(mount_image("default-4096", VIA_PATH, "a"), &a) &&
	     !statfs(mount_image("default-4096", VIA_LOOP, "b"), &b) &&
	     !statfs(mount_image("default-512", VIA_PATH, "c"), &c), "%m");
	CHECK(!memcmp(&a.f_fsid, &b.f_fsid, sizeof(a.f_fsid)), "file and block");
	CHECK(memcmp(&a.f_fsid, &c.f_fsid, sizeof(a.f_fsid)), "other image");
}

/* ----------------------------------------------------------------- xattrs */

static bool lists(const char *path, const char *name)
{
	char buf[8192], *p;
	ssize_t n = llistxattr(path, buf, sizeof(buf));

	for (p = buf; n > 0 && p < buf + n; p += strlen(p) + 1)
		if (!strcmp(p, name))
			return true;
	return false;
}

static void xattr_calls(const void *arg)
{
	static const char * const images[] = { "xattr-4096", "xattr-shared-512",
					       "xattr-prefix-1024" };
	char at[16], buf[4096], name[300];
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(images); i++) {
		const char *dir, *many, *big, *empty;
		ssize_t n;

		snprintf(at, sizeof(at), "mnt%zu", i);
		dir = mount_image(images[i], VIA_PATH, at);
		many = below(dir, "many");
		big = below(dir, "value-big");
		empty = below(dir, "value-empty");

		n = listxattr(many, NULL, 0);
		CHECK(n == 60 * 15, "list needs %zd bytes", n);
		CHECK(listxattr(many, buf, n) == n, "exact buffer: %m");
		CHECK(listxattr(many, buf, n - 1) < 0 && errno == ERANGE,
		      "short list: %m");
		CHECK(getxattr(big, "user.big", NULL, 0) == 3000, "size: %m");
		CHECK(getxattr(big, "user.big", buf, 3000) == 3000 &&
		      pattern_check(buf, 3000, 12, 0) < 0, "value: %m");
		CHECK(getxattr(big, "user.big", buf, 2999) < 0 &&
		      errno == ERANGE, "short value: %m");
		CHECK(getxattr(empty, "user.empty", buf, 10) == 0, "empty: %m");
		CHECK(getxattr(empty, "user.none", buf, 10) < 0 &&
		      errno == ENODATA, "none: %m");
		CHECK(getxattr(big, "user.bi", buf, 10) < 0 &&
		      errno == ENODATA, "part of a name: %m");
		CHECK(getxattr(big, "user.bigger", buf, 10) < 0 &&
		      errno == ENODATA, "longer name: %m");
		CHECK(getxattr(big, "trusted.big", buf, 10) < 0 &&
		      errno == ENODATA, "other namespace: %m");
		CHECK(getxattr(below(dir, "plain"), "user.x", buf, 10) < 0 &&
		      errno == ENODATA, "no attributes at all: %m");
		CHECK(listxattr(below(dir, "plain"), buf, 10) == 0,
		      "empty list: %m");
		memset(name, 'x', sizeof(name));
		memcpy(name, "user.", 5);
		name[255] = 0;
		CHECK(getxattr(below(dir, "name-long"), name, buf, 10) == 4,
		      "longest name: %m");
		name[255] = 'x';
		name[256] = 0;
		CHECK(getxattr(below(dir, "name-long"), name, buf, 10) < 0 &&
		      errno == ERANGE, "name too long: %m");
		CHECK(lgetxattr(below(dir, "link"), "trusted.on-link", buf, 10) == 4,
		      "on a link: %m");
		CHECK(getxattr(below(dir, "prefixed/p3"),
			       "user.org.example.project.attribute.3", buf,
			       100) == 10, "prefixed: %m");
		CHECK(getxattr(below(dir, "prefixed/p3"),
			       "user.org.example.project.attribute.", buf,
			       100) == 9, "prefix alone: %m");
		CHECK(getxattr(below(dir, "prefixed/p3"),
			       "user.org.example.project.attribute", buf,
			       100) < 0 && errno == ENODATA,
		      "less than the prefix: %m");
	}
}

/* Every name that is listed can be read, and every name that is read is listed */
static void xattr_list_is_get(const void *arg)
{
	const char *dir = mount_image("xattr-prefix-512", VIA_PATH, "mnt");
	static const char * const paths[] = {
		".", "many", "shared/f00", "shared/f39", "prefixed/p0",
		"acl-default", "capability", "trusted", "name-long", "fifo",
	};
	char list[8192], value[4096], *p;
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		const char *path = below(dir, paths[i]);
		ssize_t n = llistxattr(path, list, sizeof(list));

		CHECK(n > 0, "%s: list: %m", path);
		for (p = list; p < list + n; p += strlen(p) + 1)
			CHECK(lgetxattr(path, p, value, sizeof(value)) >= 0,
			      "%s: %s: %m", path, p);
	}
}

static int as_user(uid_t uid, const char *path, int flags)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (setgid(uid) || setuid(uid))
			_exit(99);
		_exit(open(path, flags | O_CLOEXEC) < 0 ? errno : 0);
	}
	NEED(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "wait");
	return -WEXITSTATUS(status);
}

static bool user_lists_trusted(const char *path)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(setuid(1000) ? 99 : lists(path, "trusted.secret"));
	NEED(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "wait");
	return WEXITSTATUS(status);
}

static void xattr_rights(const void *arg)
{
	const char *dir = mount_image("xattr-4096", VIA_PATH, "mnt");
	const char *file = below(dir, "trusted");

	(void)arg;
	CHECK(lists(file, "trusted.secret"), "root does not see it");
	CHECK(!user_lists_trusted(file), "everybody sees it");
	CHECK(setxattr(file, "user.new", "x", 1, 0) && errno == EROFS,
	      "setxattr: %m");
	CHECK(removexattr(file, "user.public") && errno == EROFS,
	      "removexattr: %m");
}

static void acl_rights(const void *arg)
{
	static const char * const images[] = { "xattr-4096", "xattr-shared-1024" };
	char at[16], buf[128];
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(images); i++) {
		const char *dir, *allow, *deny;

		snprintf(at, sizeof(at), "mnt%zu", i);
		dir = mount_image(images[i], VIA_PATH, at);
		allow = below(dir, "acl-allow-1000");
		deny = below(dir, "acl-deny-1001");
		CHECK(getxattr(allow, "system.posix_acl_access", buf,
			       sizeof(buf)) == 44, "ACL: %m");
		CHECK(lists(allow, "system.posix_acl_access"), "not listed");
		CHECK(getxattr(below(dir, "acl-default"),
			       "system.posix_acl_default", buf, sizeof(buf)) == 44,
		      "default ACL: %m");
		CHECK(getxattr(allow, "system.posix_acl_default", buf,
			       sizeof(buf)) < 0 && errno == ENODATA,
		      "no default ACL: %m");
		CHECK_ERR(as_user(1000, allow, O_RDONLY), 0, "1000 may");
		CHECK_ERR(as_user(1002, allow, O_RDONLY), -EACCES, "1002 may not");
		CHECK_ERR(as_user(1000, deny, O_RDONLY), 0, "1000 may");
		CHECK_ERR(as_user(1001, deny, O_RDONLY), -EACCES, "1001 may not");
	}
}

/* ------------------------------------------------------------ directories */

struct raw_dirent {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

struct entry {
	int64_t pos;			/* where it was read from */
	uint64_t ino;
	unsigned char type;
	char name[256];
};

static long getdents(int fd, void *buf, size_t size)
{
	return syscall(__NR_getdents64, fd, buf, size);
}

static struct entry *read_dir(int fd, size_t bufsize, size_t *nr)
{
	struct entry *list = NULL;
	char buf[4096] __attribute__((aligned(8)));
	int64_t pos = 0;
	size_t count = 0, room = 0;
	long n, i;

	NEED(!lseek(fd, 0, SEEK_SET), "lseek: %m");
	while ((n = getdents(fd, buf, bufsize)) > 0) {
		for (i = 0; i < n; ) {
			struct raw_dirent *d = (void *)(buf + i);

			if (count == room) {
				room = room ? 2 * room : 64;
				list = realloc(list, room * sizeof(*list));
				NEED(list, "memory");
			}
			memset(&list[count], 0, sizeof(*list));
			list[count].pos = pos;
			list[count].ino = d->ino;
			list[count].type = d->type;
			snprintf(list[count].name, 256, "%s", d->name);
			count++;
			NEED(d->off > pos, "position %lld after %lld",
			     (long long)d->off, (long long)pos);
			pos = d->off;
			i += d->len;
		}
	}
	NEED(!n, "getdents: %m");
	*nr = count;
	return list;
}

/* Is the next entry from there on this one? */
static void entry_at(int fd, int64_t pos, const struct entry *want)
{
	char buf[512] __attribute__((aligned(8)));
	struct raw_dirent *d = (void *)buf;

	NEED(lseek(fd, pos, SEEK_SET) == pos, "lseek: %m");
	NEED(getdents(fd, buf, sizeof(buf)) > 0, "getdents: %m");
	NEED(!strcmp(d->name, want->name), "at %lld: %s, not %s",
	     (long long)pos, d->name, want->name);
}

static void every_position(int fd, const struct entry *list, size_t nr)
{
	size_t i;

	/* Backwards, so that no position follows from the one before */
	for (i = nr; i-- > 0; ) {
		entry_at(fd, list[i].pos, &list[i]);
		/* One between two entries is that of the next */
		if (!i)
			continue;
		entry_at(fd, list[i - 1].pos + 1, &list[i]);
		entry_at(fd, list[i].pos - 1, &list[i]);
	}
}

static void readdir_positions(const void *arg)
{
	static const struct {
		const char *image, *dir;
		size_t entries;
	} what[] = {
		{ "full", "dirs/three-thousand", 3002 },
		{ "default-512", "dirs/fifty", 52 },
		{ "dot-omitted-512", "dirs/fifty", 52 },
		{ "dot-omitted-4096", "dirs/empty", 2 },
		{ "default-4096", "dirs/empty", 2 },
		{ "default-512", "names", 14 },
	};
	char at[16], buf[512];
	size_t i, nr, k;

	for (i = 0; i < ARRAY_SIZE(what); i++) {
		struct entry *list, *again;
		const char *dir;
		int fd;

		snprintf(at, sizeof(at), "mnt%zu", i);
		dir = mount_image(what[i].image, via_of(arg), at);
		fd = open_need(below(dir, what[i].dir), O_RDONLY | O_DIRECTORY);
		list = read_dir(fd, 4096, &nr);
		CHECK(nr == what[i].entries, "%s: %zu entries, not %zu",
		      what[i].dir, nr, what[i].entries);
		/* At the end, and past it, there is nothing more, for ever */
		CHECK(!getdents(fd, buf, sizeof(buf)), "after the end: %m");
		CHECK(!getdents(fd, buf, sizeof(buf)), "after the end: %m");
		lseek(fd, 1LL << 40, SEEK_SET);
		CHECK(!getdents(fd, buf, sizeof(buf)), "far after the end: %m");
		every_position(fd, list, nr);
		/* The same in pieces of a few entries */
		again = read_dir(fd, 600, &k);
		CHECK(k == nr && !memcmp(list, again, nr * sizeof(*list)),
		      "small buffers: other entries");
		lseek(fd, 0, SEEK_SET);
		CHECK(getdents(fd, buf, 16) < 0 && errno == EINVAL,
		      "tiny buffer: %m");
		free(list);
		free(again);
		close(fd);
	}
}

static unsigned char type_of(mode_t mode)
{
	return (mode & S_IFMT) >> 12;
}

/* What readdir says about an entry is what stat says */
static void readdir_is_stat(const void *arg)
{
	static const char * const dirs[] = { ".", "special", "names", "links",
					     "dirs", "dirs/deep/a/b" };
	const char *dir = mount_image("default-512", VIA_PATH, "mnt");
	size_t i, k, nr, dots;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		int fd = open_need(below(dir, dirs[i]), O_RDONLY | O_DIRECTORY);
		struct entry *list = read_dir(fd, 4096, &nr);
		struct stat st;

		for (k = dots = 0; k < nr; k++) {
			dots += !strcmp(list[k].name, ".") ||
				!strcmp(list[k].name, "..");
			/* Above the root lies another filesystem */
			if (!i && !strcmp(list[k].name, ".."))
				continue;
			NEED(!fstatat(fd, list[k].name, &st,
				      AT_SYMLINK_NOFOLLOW), "%s: %m",
			     list[k].name);
			CHECK(st.st_ino == list[k].ino, "%s: inode %llu, not %llu",
			      list[k].name, (unsigned long long)list[k].ino,
			      (unsigned long long)st.st_ino);
			CHECK(type_of(st.st_mode) == list[k].type, "%s: type %u",
			      list[k].name, list[k].type);
		}
		CHECK(dots == 2, "%s: %zu dots", dirs[i], dots);
	}
}

static void lookups(const void *arg)
{
	static const char * const absent[] = {
		"!", "a", "file-", "file-00000", "file-00000-x", "file-01500",
		"file-02999-", "file-03000-", "file-99999-", "zzz", "\xff", " ",
		"file-00001-aa", "file-00001-\x01", "FILE-00001-a",
	};
	const char *mnt = mount_image("full", via_of(arg), "mnt");
	int dir = open_need(below(mnt, "dirs/three-thousand"),
			    O_RDONLY | O_DIRECTORY);
	char name[300], text[16], want[16];
	unsigned int i;

	for (i = 0; i < 3000; i++) {
		struct stat st;

		snprintf(name, sizeof(name), "file-%05u-%.*s", i, (int)(i % 40),
			 "abcdefghijklmnopqrstuvwxyz0123456789ABCD");
		NEED(!fstatat(dir, name, &st, 0), "%s: %m", name);
		/* Their names differ; that the right one came shows in its text */
		if (i % 10)
			continue;
		snprintf(want, sizeof(want), "%u\n", i);
		memset(text, 0, sizeof(text));
		NEED(pread_full(openat(dir, name, O_RDONLY), text,
				sizeof(text) - 1, 0) > 0, "%s: %m", name);
		CHECK(!strcmp(text, want), "%s holds %s", name, text);
	}
	for (i = 0; i < ARRAY_SIZE(absent); i++)
		CHECK(faccessat(dir, absent[i], F_OK, 0) && errno == ENOENT,
		      "%s: %m", absent[i]);
	memset(name, 'n', sizeof(name));
	name[256] = 0;
	CHECK(faccessat(dir, name, F_OK, 0) && errno == ENAMETOOLONG,
	      "256 bytes: %m");
	CHECK(access(below(mnt, "exact/x"), F_OK) && errno == ENOTDIR,
	      "below a file: %m");
	CHECK(access(below(mnt, "links/loop"), F_OK) && errno == ELOOP,
	      "endless link: %m");
	CHECK(!access(below(mnt, "links/to-dir/file-00003-abc"), F_OK),
	      "by a link: %m");
}

/* ------------------------------------------------------------------- mmap */

static void mmap_file(const void *arg)
{
	const char *dir = mount_image("full", via_of(arg), "mnt");
	int fd = open_need(below(dir, "mid"), O_RDONLY);
	size_t page = sysconf(_SC_PAGESIZE), i;
	size_t pages = (PATTERN_MID_SIZE + page - 1) / page;
	char *shared = mmap(NULL, (pages + 2) * page, PROT_READ, MAP_SHARED, fd,
			    0);
	char *private = mmap(NULL, pages * page, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE, fd, 0);
	long long bad;

	NEED(shared != MAP_FAILED && private != MAP_FAILED, "mmap: %m");
	/* From the middle first: a fault has its own way of readahead */
	bad = pattern_check(shared + 100 * page, 10 * page, PATTERN_MID_SEED,
			    100 * page);
	CHECK(bad < 0, "wrong byte at %lld", bad);
	bad = pattern_check(shared, PATTERN_MID_SIZE, PATTERN_MID_SEED, 0);
	CHECK(bad < 0, "wrong byte at %lld", bad);
	for (i = PATTERN_MID_SIZE; i < pages * page; i++)
		NEED(!shared[i], "byte %zu after the end is %d", i, shared[i]);
	CHECK(!touch_faults(shared + PATTERN_MID_SIZE), "fault in the last page");
	CHECK(touch_faults(shared + pages * page), "no fault after the last page");
	CHECK(touch_faults(shared + (pages + 1) * page), "no fault further on");
	/* A private copy may be written, and stays private */
	memset(private, 'X', 3 * page);
	CHECK(pattern_check(shared, 3 * page, PATTERN_MID_SEED, 0) < 0,
	      "a private copy was shared");
	bad = pattern_check(private + 3 * page, PATTERN_MID_SIZE - 3 * page,
			    PATTERN_MID_SEED, 3 * page);
	CHECK(bad < 0, "private: wrong byte at %lld", bad);
	CHECK(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) ==
	      MAP_FAILED && errno == EACCES, "shared and writable: %m");
	munmap(private, pages * page);
	munmap(shared, (pages + 2) * page);
}

/* Files that end inside a block, by their sizes, which are their seeds, too */
static const unsigned int ending[] = { 1, 513, 1025, 4097, 8191, 20000 };

static const char *ending_path(const char *dir, unsigned int size)
{
	char name[32];

	snprintf(name, sizeof(name), "sizes/%u", size);
	return below(dir, name);
}

/* A copy of the image, with something where its writer has left zeros */
static const char *littered(const struct image *img)
{
	const char *path = tmp_path(img->image), *dir = new_dir("looked-at");
	char litter[4096];
	size_t i;
	int fd;

	copy_file(data_path(img->image), path);
	NEED_OK(mount_file(path, dir, NULL), "mount");
	fd = open_need(path, O_WRONLY);
	memset(litter, 0xdd, sizeof(litter));
	for (i = 0; i < ARRAY_SIZE(ending); i++) {
		ssize_t len = img->bs - ending[i] % img->bs;
		off_t end = data_position(ending_path(dir, ending[i])) +
			    ending[i];

		NEED(pwrite(fd, litter, len, end) == len, "pwrite: %m");
	}
	close(fd);
	NEED_OK(do_umount(dir, 0), "umount");
	NEED(!rmdir(dir), "rmdir: %m");
	return path;
}

static void end_is_zero(const char *path, unsigned int size)
{
	size_t page = sysconf(_SC_PAGESIZE), i;
	int fd = open_need(path, O_RDONLY);
	char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	NEED(map != MAP_FAILED, "mmap: %m");
	CHECK(pattern_check(map, size, size, 0) < 0, "%s: its bytes", path);
	for (i = size; i % page; i++)
		NEED(!map[i], "%s: byte %zu, behind the end, is %#x", path, i,
		     (unsigned char)map[i]);
	munmap(map, size);
	close(fd);
}

/*
 * What lies behind the end of a file in its last block is not the file's: it is
 * in no mapping, however the page was filled.
 */
static void mmap_past_end(const void *arg)
{
	static const char * const images[] = { "plain-512", "plain-2048",
					       "plain-4096" };
	struct source src = { .via = via_of(arg) };
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(images); i++) {
		const char *dir = new_dir(images[i]);

		src.path = littered(image_find(images[i]));
		NEED_OK(mount_at(&src, dir), "mount");
		/* By a fault, and by readahead */
		for (k = 0; k < ARRAY_SIZE(ending); k++)
			end_is_zero(ending_path(dir, ending[k]), ending[k]);
		drop_caches();
		tree_equals(dir, data_path(image_find(images[i])->dump));
		for (k = 0; k < ARRAY_SIZE(ending); k++)
			end_is_zero(ending_path(dir, ending[k]), ending[k]);
	}
}

/* Nothing but the inode itself is in memory when it is read or mapped */
static void read_cold(const char *path, bool mapped, int advice,
		      const char *want, size_t size)
{
	char *buf = malloc(size);
	int fd = open_need(path, O_RDONLY);

	posix_fadvise(fd, 0, 0, advice);
	drop_caches();
	if (mapped) {
		void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

		NEED(map != MAP_FAILED, "mmap: %m");
		CHECK(!memcmp(map, want, size), "%s mapped", path);
		munmap(map, size);
	} else {
		NEED(buf && pread_full(fd, buf, size, 0) == (ssize_t)size,
		     "%s: %m", path);
		CHECK(!memcmp(buf, want, size), "%s read", path);
	}
	free(buf);
	close(fd);
}

/*
 * Whoever reads a page may first have to read where it is, or what is in it: from
 * metadata, by way of a metabox, or from the packed file.
 */
static void cold_metadata(const void *arg)
{
	static const char * const what[][2] = {
		{ "default-4096", "sizes/513" }, { "chunk8-4k-512", "exact" },
		{ "lz4", "sparse/hole-odd" }, { "stream-lz4", "stream" },
		{ "lz4-ztail", "sizes/20000" }, { "metabox-4096", "sizes/513" },
		{ "metabox-lz4", "sparse/hole-odd" },
		{ "metabox-zstd", "sizes/20000" },
	};
	size_t i, size = 0;

	for (i = 0; i < ARRAY_SIZE(what); i++) {
		const char *dir = mount_image(what[i][0], via_of(arg),
					      what[i][0]);
		const char *path = below(dir, what[i][1]);
		char *want = slurp(path, &size);

		NEED(want && size, "%s: %m", path);
		tree_equals(dir, data_path(image_find(what[i][0])->dump));
		read_cold(path, false, POSIX_FADV_NORMAL, want, size);
		read_cold(path, false, POSIX_FADV_RANDOM, want, size);
		read_cold(path, true, POSIX_FADV_NORMAL, want, size);
		read_cold(path, true, POSIX_FADV_RANDOM, want, size);
		free(want);
	}
}

static void mmap_holes(const void *arg)
{
	const char *dir = mount_image("chunk8-4k-512", via_of(arg), "mnt");
	static char want[0x60000];
	size_t i;

	for (i = 0; i < PATTERN_NR_SPARSE; i++) {
		const struct pattern_sparse *s = &pattern_sparse[i];
		char name[64];
		char *map;
		int fd;

		snprintf(name, sizeof(name), "sparse/%s", s->name);
		fd = open_need(below(dir, name), O_RDONLY);
		map = mmap(NULL, s->size, PROT_READ, MAP_SHARED | MAP_POPULATE,
			   fd, 0);
		NEED(map != MAP_FAILED, "mmap: %m");
		pattern_sparse_fill(s, want, s->size, 0);
		CHECK(!memcmp(map, want, s->size), "%s differs", name);
		munmap(map, s->size);
		close(fd);
	}
}

/* A program run from the mount: pages are mapped and read at once */
static void exec_file(const void *arg)
{
	const char *dir = new_dir("mnt");

	NEED_OK(mount_at(&(struct source){ .path = data_path("exec.img"),
					   .via = via_of(arg) }, dir), "mount");
	CHECK(!run("%s/treedump %s | grep -q '^./treedump f'", dir, dir),
	      "the program in the image does not run");
}

/* ----------------------------------------------------------------- reading */

static void sendfile_splice(const void *arg)
{
	const char *dir = mount_image("full", via_of(arg), "mnt");
	int fd = open_need(below(dir, "mid"), O_RDONLY), fds[2];
	const char *copy = tmp_path("copy");
	int out = open(copy, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
	loff_t off = 4099;
	char buf[4096];
	ssize_t n, total = 0;

	while ((n = sendfile(out, fd, NULL, 1 << 20)) > 0)
		total += n;
	CHECK(!n && total == PATTERN_MID_SIZE, "sendfile: %zd bytes: %m", total);
	file_is_pattern(copy, PATTERN_MID_SEED, PATTERN_MID_SIZE);
	NEED(!pipe2(fds, O_CLOEXEC), "pipe: %m");
	for (total = 0; total < 40000; total += n) {
		n = splice(fd, &off, fds[1], NULL, sizeof(buf), 0);
		NEED(n > 0, "splice: %m");
		NEED(read(fds[0], buf, n) == n, "read: %m");
		CHECK(pattern_check(buf, n, PATTERN_MID_SEED, 4099 + total) < 0,
		      "splice at %zd differs", total);
	}
	off = PATTERN_MID_SIZE;
	CHECK(!splice(fd, &off, fds[1], NULL, 100, 0), "at the end: %m");
	CHECK(copy_file_range(fd, &(loff_t){ 0 }, out, &(loff_t){ 0 }, 8192, 0)
	      == 8192 || errno == EXDEV || errno == EOPNOTSUPP,
	      "copy_file_range: %m");
}

static void read_edges(const void *arg)
{
	const char *dir = mount_image("full", via_of(arg), "mnt");
	int fd = open_need(below(dir, "mid"), O_RDONLY);
	char a[100], b[5000];
	struct iovec iov[2] = { { a, sizeof(a) }, { b, sizeof(b) } };
	ssize_t n;

	CHECK(pread(fd, a, 100, PATTERN_MID_SIZE) == 0, "at the end: %m");
	CHECK(pread(fd, a, 100, PATTERN_MID_SIZE - 1) == 1, "last byte: %m");
	CHECK(pread(fd, a, 100, 1LL << 40) == 0, "far after the end: %m");
	CHECK(pread(fd, a, 100, LLONG_MAX - 50) <= 0, "at the very end");
	CHECK(preadv(fd, iov, 2, 12345) == 5100 &&
	      pattern_check(a, 100, PATTERN_MID_SEED, 12345) < 0 &&
	      pattern_check(b, 5000, PATTERN_MID_SEED, 12445) < 0, "readv: %m");
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	n = preadv2(fd, iov, 2, 50000, 8 /* RWF_NOWAIT */);
	CHECK(n > 0 || errno == EAGAIN || errno == EOPNOTSUPP, "nowait: %m");
	if (n > 0)
		CHECK(pattern_check(a, n < 100 ? n : 100, PATTERN_MID_SEED,
				    50000) < 0, "nowait: other bytes");
	CHECK(lseek(fd, 0, SEEK_END) == PATTERN_MID_SIZE, "lseek: %m");
	fd = open_need(below(dir, "sizes/0"), O_RDONLY);
	CHECK(read(fd, a, 100) == 0, "empty file: %m");
	fd = open_need(dir, O_RDONLY | O_DIRECTORY);
	CHECK(read(fd, a, 100) < 0 && errno == EISDIR, "a directory: %m");
}

/* What has to be found or decoded first is not read by who may not wait */
static void nowait_cached(const void *arg)
{
	static const struct {
		const char *image, *file;
		off_t off;
	} what[] = {
		{ "stream-lz4", "stream", 1 << 20 },
		{ "chunk8-4k-512", "exact", 8192 },
	};
	char at[16], a[4096], b[4096];
	struct iovec iov = { a, sizeof(a) };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(what); i++) {
		const char *path;
		ssize_t n;
		int fd, k;

		snprintf(at, sizeof(at), "mnt%zu", i);
		path = below(mount_image(what[i].image, via_of(arg), at),
			     what[i].file);
		fd = open_need(path, O_RDONLY);
		drop_caches();
		for (k = 0; k < 2; k++) {
			n = preadv2(fd, &iov, 1, what[i].off, 8 /* RWF_NOWAIT */);
			CHECK(n < 0 && errno == EAGAIN, "%s: %zd: %m", path, n);
		}
		NEED(pread(fd, b, sizeof(b), what[i].off) == sizeof(b), "%m");
		n = preadv2(fd, &iov, 1, what[i].off, 8 /* RWF_NOWAIT */);
		CHECK(n == sizeof(a) && !memcmp(a, b, sizeof(a)),
		      "%s: %zd of what is cached: %m", path, n);
		close(fd);
	}
}

static void advice(const void *arg)
{
	const char *dir = mount_image("full", via_of(arg), "mnt");
	int fd = open_need(below(dir, "big"), O_RDONLY);
	static const int what[] = { POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM,
				    POSIX_FADV_NOREUSE, POSIX_FADV_WILLNEED };
	char buf[8192];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(what); i++)
		CHECK(!posix_fadvise(fd, i << 20, 1 << 20, what[i]),
		      "fadvise %d: %m", what[i]);
	CHECK(!posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL), "fadvise: %m");
	CHECK(!readahead(fd, 8 << 20, 2 << 20), "readahead: %m");
	CHECK(!readahead(fd, PATTERN_BIG_SIZE - 5000, 1 << 20),
	      "readahead over the end: %m");
	CHECK(!readahead(fd, PATTERN_BIG_SIZE + 4096, 1 << 20),
	      "readahead after the end: %m");
	for (i = 0; i < 40; i++) {
		off_t off = i * ((1 << 20) - 321);

		NEED(pread_full(fd, buf, sizeof(buf), off) == sizeof(buf), "read");
		CHECK(pattern_check(buf, sizeof(buf), PATTERN_BIG_SEED, off) < 0,
		      "differs at %lld", (long long)off);
	}
}

/* -------------------------------------------------------------- direct I/O */

static bool check_content(const char *name, const char *buf, size_t len,
			  uint64_t off)
{
	static char want[1 << 17];
	size_t i;

	NEED(len <= sizeof(want), "too long");
	if (!strcmp(name, "exact"))
		return pattern_check(buf, len, PATTERN_EXACT_SEED, off) < 0;
	for (i = 0; i < PATTERN_NR_SPARSE; i++) {
		if (strcmp(name + strlen("sparse/"), pattern_sparse[i].name))
			continue;
		pattern_sparse_fill(&pattern_sparse[i], want, len, off);
		return !memcmp(buf, want, len);
	}
	return pattern_check(buf, len, atoi(name + strlen("sizes/")), off) < 0;
}

static void direct_reads(int fd, const char *name, uint64_t size, size_t unit)
{
	static char mem[(1 << 17) + 4096];
	char *buf = (char *)(((uintptr_t)mem + 4095) & ~4095UL);
	size_t len = unit;
	uint64_t off;

	for (off = 0; off < size; off += len) {
		ssize_t n, want;

		/* Pieces of growing length, so that all borders are crossed */
		len = (len * 3) % (60 * unit) + unit;
		if (len > 1 << 17)
			len = unit;
		want = off + len > size ? size - off : len;
		n = pread(fd, buf, len, off);
		if (n < 0) {
			CHECK(false, "%s at %llu: %m", name,
			      (unsigned long long)off);
			return;
		}
		/* Short is allowed in front of what cannot be read directly */
		CHECK(n == want || (n > 0 && n % unit == 0),
		      "%s: %zd bytes at %llu, not %zd", name, n,
		      (unsigned long long)off, want);
		CHECK(check_content(name, buf, n, off), "%s: differs at %llu",
		      name, (unsigned long long)off);
		len = n % unit ? len : (size_t)n;
	}
	CHECK(pread(fd, buf, unit, (size + unit - 1) / unit * unit) == 0,
	      "%s: after the end: %m", name);
}

static void direct_odd(int fd, const char *name, uint64_t size)
{
	static char mem[8192];
	static const struct {
		size_t len, shift;
		off_t off;
	} odd[] = { { 100, 0, 0 }, { 512, 1, 0 }, { 512, 0, 3 },
		    { 4096, 7, 100 }, { 4095, 0, 4096 } };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		char *buf = (char *)(((uintptr_t)mem + 1023) & ~1023UL) +
			    odd[i].shift;
		ssize_t n;

		if ((uint64_t)odd[i].off >= size)
			continue;
		n = pread(fd, buf, odd[i].len, odd[i].off);
		CHECK(n > 0 || (n < 0 && errno == EINVAL),
		      "%s: odd read %zu: %zd: %m", name, i, n);
		if (n > 0)
			CHECK(check_content(name, buf, n, odd[i].off),
			      "%s: odd read %zu differs", name, i);
	}
}

#define GUARD		0xA5
#define ASKEW_LEN	8192

/* What was read is right, and is all that was written */
static bool landed_right(const char *name, const struct iovec *iov, size_t nr,
			 size_t len, unsigned char *mem, size_t size)
{
	bool right = true;
	size_t off = 0, n, i;

	for (i = 0; i < nr; off += iov[i++].iov_len) {
		n = len < off ? 0 : len - off;
		if (n > iov[i].iov_len)
			n = iov[i].iov_len;
		right &= !n || check_content(name, iov[i].iov_base, n, off);
		/* Behind a short read it is the reader's own, whatever is there */
		memset(iov[i].iov_base, GUARD, iov[i].iov_len);
	}
	for (i = 0; i < size; i++)
		right &= mem[i] == GUARD;
	return right;
}

/*
 * Several pages of memory that is not aligned, or whose second part is not: the
 * store may see that when it has taken some of it already.
 */
static void direct_askew(int fd, const char *name, uint64_t size)
{
	static unsigned char mem[9 * 4096];
	static const size_t shifts[] = { 1, 2, 256 };
	unsigned char *buf = (void *)(((uintptr_t)mem + 4095) & ~4095UL);
	size_t i;

	for (i = 0; size >= ASKEW_LEN && i < ARRAY_SIZE(shifts) * 2; i++) {
		const struct iovec whole = { buf + 4096 + shifts[i / 2],
					     ASKEW_LEN };
		const struct iovec parts[] = {
			{ buf + 4096, 4096 },
			{ buf + 3 * 4096 + shifts[i / 2], ASKEW_LEN - 4096 },
		};
		const struct iovec *iov = i & 1 ? parts : &whole;
		const size_t nr = i & 1 ? 2 : 1;
		ssize_t n;

		memset(buf, GUARD, 8 * 4096);
		n = preadv(fd, iov, nr, 0);
		CHECK(n > 0 || (n < 0 && errno == EINVAL),
		      "%s: askew %zu: %zd: %m", name, i, n);
		CHECK(landed_right(name, iov, nr, n > 0 ? n : 0, buf, 8 * 4096),
		      "%s: askew %zu: %zd bytes differ, or are elsewhere", name,
		      i, n);
	}
}

static void direct_io(const void *arg)
{
	static const char * const images[] = { "default-4096", "plain-512",
					       "chunk8-4k-512",
					       "chunk4-64k-4096" };
	static const char * const names[] = {
		"exact", "sparse/hole-start", "sparse/hole-middle",
		"sparse/hole-end", "sparse/hole-all", "sparse/hole-odd",
		"sizes/100", "sizes/512", "sizes/4096", "sizes/4097",
		"sizes/8191", "sizes/65537",
	};
	unsigned int possible = 0;
	char at[16];
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(images); i++) {
		const char *dir;

		snprintf(at, sizeof(at), "mnt%zu", i);
		dir = mount_image(images[i], via_of(arg), at);
		for (k = 0; k < ARRAY_SIZE(names); k++) {
			const char *path = below(dir, names[k]);
			struct statx stx;
			size_t unit;
			int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

			get_statx(path, &stx);
			if (fd < 0) {
				CHECK(errno == EINVAL, "%s: %m", path);
				CHECK(!(stx.stx_mask & STATX_DIOALIGN) ||
				      !stx.stx_dio_offset_align,
				      "%s: promises direct I/O", path);
				continue;
			}
			possible++;
			/* What is promised must work; else what all devices can */
			unit = stx.stx_mask & STATX_DIOALIGN &&
			       stx.stx_dio_offset_align ?
			       stx.stx_dio_offset_align : 4096;
			CHECK(unit >= 1 && unit <= 65536, "%s: unit %zu", path,
			      unit);
			if (unit < 512)
				unit = 512;
			direct_reads(fd, names[k], stx.stx_size, unit);
			direct_odd(fd, names[k], stx.stx_size);
			direct_askew(fd, names[k], stx.stx_size);
			close(fd);
		}
	}
	CHECK(possible, "no file can be opened for direct I/O");
}

/*
 * Without waiting there is what can be found without a read of metadata, and
 * nothing else: no chunk, no tail. What then is read is right.
 */
static void direct_nowait(const void *arg)
{
	static const struct {
		const char *image, *name;
		off_t off;
		size_t len;
		int err;
	} what[] = {
		{ "plain-4096", "exact", 0, 4096, 0 },
		{ "plain-4096", "exact", 65536, 8192, 0 },
		{ "default-4096", "sizes/4097", 0, 4096, 0 },
		{ "default-4096", "sizes/4097", 0, 8192, -EAGAIN },
		{ "default-4096", "sizes/4097", 4096, 4096, -EAGAIN },
		{ "default-4096", "sizes/4097", 8192, 4096, 0 },
		{ "default-4096", "sizes/100", 0, 4096, -EAGAIN },
		{ "chunk4-64k-4096", "exact", 0, 4096, -EAGAIN },
		{ "chunk8-4k-4096", "exact", 0, 4096, -EAGAIN },
		{ "chunk8-4k-4096", "exact", PATTERN_EXACT_SIZE, 4096, 0 },
		{ "chunk8-4k-4096", "sparse/hole-start", 0, 4096, -EAGAIN },
	};
	static char mem[12288];
	char *buf = (char *)(((uintptr_t)mem + 4095) & ~4095UL);
	char at[16];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(what); i++) {
		struct iovec iov = { buf, what[i].len };
		const char *path;
		struct stat st;
		ssize_t n;
		int fd;

		snprintf(at, sizeof(at), "mnt%zu", i);
		path = below(mount_image(what[i].image, via_of(arg), at),
			     what[i].name);
		fd = open_need(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
		n = preadv2(fd, &iov, 1, what[i].off, 8 /* RWF_NOWAIT */);
		CHECK_ERR(n < 0 ? -errno : 0, what[i].err, path);
		if (n < 0)
			n = pread(fd, buf, what[i].len, what[i].off);
		NEED(!fstat(fd, &st), "%m");
		CHECK((n > 0 || what[i].off >= st.st_size) &&
		      check_content(what[i].name, buf, n, what[i].off),
		      "%s: %zd bytes, or other ones", path, n);
		close(fd);
	}
}

/* Read directly while the page cache holds it, and the other way round */
static void direct_and_cached(const void *arg)
{
	const char *dir = mount_image("full", via_of(arg), "mnt");
	const char *path = below(dir, "mid");
	static char mem[69632];
	char *buf = (char *)(((uintptr_t)mem + 4095) & ~4095UL);
	int fd = open_need(path, O_RDONLY);
	int dfd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC), i;

	if (dfd < 0)
		tap_skip("no direct I/O on this mount");
	for (i = 0; i < 16; i++) {
		off_t off = (off_t)i * 65536;

		NEED(pread_full(i & 1 ? fd : dfd, buf, 65536, off) == 65536,
		     "read");
		CHECK(pattern_check(buf, 65536, PATTERN_MID_SEED, off) < 0,
		      "differs at %lld", (long long)off);
		NEED(pread_full(i & 1 ? dfd : fd, buf, 65536, off) == 65536,
		     "read again");
		CHECK(pattern_check(buf, 65536, PATTERN_MID_SEED, off) < 0,
		      "differs again at %lld", (long long)off);
	}
}

/*
 * Direct reads into memory in pieces, none of which begins where a page does; into
 * more than is held at a time; and into such that is there in part, or not writable
 */
static void direct_memory(const void *arg)
{
	const size_t size = 1 << 20, half = 65536;
	const char *dir = mount_image("full", via_of(arg), "mnt");
	const char *path = below(dir, "mid");
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	char *mem = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct iovec pieces[] = {
		{ mem + 512, 512 }, { mem + 8192 - 1024, 3072 + 65536 },
		{ mem + size + 512, 512 }, { mem + size + 3584, 8192 },
	};
	off_t at = 0;
	ssize_t n;
	size_t i;

	if (fd < 0)
		tap_skip("no direct I/O on this mount");
	NEED(mem != MAP_FAILED, "mmap: %m");
	CHECK(preadv(fd, pieces, ARRAY_SIZE(pieces), 4096) ==
	      512 + 3072 + 65536 + 512 + 8192, "preadv: %m");
	for (i = 0; i < ARRAY_SIZE(pieces); at += pieces[i++].iov_len)
		CHECK(pattern_check(pieces[i].iov_base, pieces[i].iov_len,
				    PATTERN_MID_SEED, 4096 + at) < 0,
		      "piece %zu differs", i);
	CHECK(pread_full(fd, mem + 512, size, 0) == (ssize_t)size, "%m");
	CHECK(pattern_check(mem + 512, size, PATTERN_MID_SEED, 0) < 0,
	      "what is large differs");

	/* block devices give all or nothing */
	munmap(mem + half, half);
	n = pread(fd, mem, 2 * half, half);
	CHECK(n == (ssize_t)half || (via_is_block(via_of(arg)) && n < 0 &&
				     errno == EFAULT), "%zd: %m", n);
	CHECK(n < 0 || pattern_check(mem, half, PATTERN_MID_SEED, half) < 0,
	      "what was there differs");
	mprotect(mem, half, PROT_READ);
	CHECK(pread(fd, mem, half, 0) < 0 && errno == EFAULT,
	      "into memory that is only for reading: %m");
	CHECK(n < 0 || pattern_check(mem, half, PATTERN_MID_SEED, half) < 0,
	      "it has changed");
}

/* ---------------------------------------------------------------- extents */

#define MAX_EXTENTS	200

static struct fiemap *get_extents(int fd, uint64_t start, uint64_t len,
				  unsigned int room)
{
	struct fiemap *map = calloc(1, sizeof(*map) +
				    MAX_EXTENTS * sizeof(map->fm_extents[0]));

	NEED(map, "memory");
	map->fm_start = start;
	map->fm_length = len;
	map->fm_flags = FIEMAP_FLAG_SYNC;
	map->fm_extent_count = room;
	NEED(!ioctl(fd, FS_IOC_FIEMAP, map), "FIEMAP: %m");
	return map;
}

/* The bytes at the reported address of the store are those of the file */
static bool extent_matches(const struct fiemap_extent *e, int store,
			   const char *content, uint64_t size)
{
	uint64_t len = e->fe_length;
	bool same;
	char *buf;

	if (e->fe_logical >= size)
		return false;
	if (e->fe_logical + len > size)
		len = size - e->fe_logical;
	buf = malloc(len);
	NEED(buf, "memory");
	same = pread_full(store, buf, len, e->fe_physical) == (ssize_t)len &&
	       !memcmp(buf, content + e->fe_logical, len);
	free(buf);
	return same;
}

static void check_extents(int fd, const char *path, int store)
{
	struct fiemap *map = get_extents(fd, 0, ~0ULL, MAX_EXTENTS), *count;
	struct stat st;
	uint64_t pos = 0, i, k;
	char *content;

	NEED(!fstat(fd, &st), "%m");
	content = malloc(st.st_size + 1);
	NEED(content && pread_full(fd, content, st.st_size, 0) == st.st_size,
	     "read %s", path);
	count = get_extents(fd, 0, ~0ULL, 0);
	CHECK(count->fm_mapped_extents == map->fm_mapped_extents,
	      "%s: %u extents, counted %u", path, map->fm_mapped_extents,
	      count->fm_mapped_extents);
	for (i = 0; i < map->fm_mapped_extents; i++) {
		const struct fiemap_extent *e = &map->fm_extents[i];
		bool last = i + 1 == map->fm_mapped_extents;

		CHECK(e->fe_length && e->fe_logical >= pos,
		      "%s: extent %llu at %llu overlaps", path,
		      (unsigned long long)i, (unsigned long long)e->fe_logical);
		CHECK(!!(e->fe_flags & FIEMAP_EXTENT_LAST) == last,
		      "%s: extent %llu: last flag", path, (unsigned long long)i);
		CHECK(!(e->fe_flags & (FIEMAP_EXTENT_UNKNOWN |
				       FIEMAP_EXTENT_DELALLOC |
				       FIEMAP_EXTENT_ENCODED |
				       FIEMAP_EXTENT_UNWRITTEN)),
		      "%s: flags %x", path, e->fe_flags);
		CHECK(extent_matches(e, store, content, st.st_size),
		      "%s: %llu bytes at %llu are not at %llu", path,
		      (unsigned long long)e->fe_length,
		      (unsigned long long)e->fe_logical,
		      (unsigned long long)e->fe_physical);
		/* Between extents are holes, and holes are zeros */
		for (k = pos; k < e->fe_logical; k++)
			if (!CHECK(!content[k], "%s: data at %llu without an extent",
				   path, (unsigned long long)k))
				break;
		pos = e->fe_logical + e->fe_length;
	}
	for (k = pos; k < (uint64_t)st.st_size; k++)
		if (!CHECK(!content[k], "%s: data at %llu without an extent",
			   path, (unsigned long long)k))
			break;
	free(content);
	free(count);
	free(map);
}

static const char * const mapped_files[] = {
	"exact", "sparse/hole-start", "sparse/hole-middle", "sparse/hole-end",
	"sparse/hole-all", "sparse/hole-odd", "sizes/0", "sizes/1", "sizes/100",
	"sizes/4095", "sizes/4096", "sizes/4097", "sizes/20000", "sizes/65537",
};

static void fiemap(const void *arg)
{
	static const char * const images[] = {
		"default-4096", "default-512", "plain-1024", "chunk8-4k-512",
		"chunk4-64k-4096", "48bit-4096", "offset-512-3584",
		"rebuilt3-4096-flat",
	};
	char at[16];
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(images); i++) {
		const struct image *img = image_find(images[i]);
		int store = open_need(data_path(img->image), O_RDONLY);
		const char *dir;

		snprintf(at, sizeof(at), "mnt%zu", i);
		dir = mount_image(images[i], via_of(arg), at);
		for (k = 0; k < ARRAY_SIZE(mapped_files); k++) {
			const char *path = below(dir, mapped_files[k]);
			int fd = open_need(path, O_RDONLY);

			check_extents(fd, path, store);
			close(fd);
		}
		close(store);
	}
}

/* Exactly the holes that were made, where the chunks are no larger than them */
static void fiemap_holes(const void *arg)
{
	const char *dir = mount_image("chunk8-4k-4096", via_of(arg), "mnt");
	size_t i, k;

	for (i = 0; i < PATTERN_NR_SPARSE; i++) {
		const struct pattern_sparse *s = &pattern_sparse[i];
		uint64_t data = 0, want = 0;
		struct fiemap *map;
		char name[64];

		snprintf(name, sizeof(name), "sparse/%s", s->name);
		map = get_extents(open_need(below(dir, name), O_RDONLY), 0,
				  ~0ULL, MAX_EXTENTS);
		for (k = 0; k < map->fm_mapped_extents; k++) {
			struct fiemap_extent *e = &map->fm_extents[k];

			CHECK(pattern_sparse_data(s, e->fe_logical),
			      "%s: extent in the hole at %llu", name,
			      (unsigned long long)e->fe_logical);
			data += e->fe_length;
		}
		for (k = 0; k < 3; k++)
			want += s->data[k].end - s->data[k].start;
		want = (want + 4095) / 4096 * 4096;
		data = (data + 4095) / 4096 * 4096;
		CHECK(data == want, "%s: %llu bytes mapped, not %llu", name,
		      (unsigned long long)data, (unsigned long long)want);
	}
}

/* In parts, from everywhere, and with requests that make no sense */
static void fiemap_parts(const void *arg)
{
	const char *dir = mount_image("chunk8-4k-4096", via_of(arg), "mnt");
	int fd = open_need(below(dir, "sparse/hole-odd"), O_RDONLY);
	struct fiemap *map;
	uint64_t pos;

	for (pos = 0; pos < 0x60000; pos += 0x7001) {
		map = get_extents(fd, pos, 1, MAX_EXTENTS);
		CHECK(map->fm_mapped_extents ==
		      (unsigned int)pattern_sparse_data(&pattern_sparse[4], pos),
		      "%u extents at %llx", map->fm_mapped_extents,
		      (unsigned long long)pos);
		if (map->fm_mapped_extents)
			CHECK(map->fm_extents[0].fe_logical <= pos &&
			      map->fm_extents[0].fe_logical +
			      map->fm_extents[0].fe_length > pos,
			      "an extent that does not hold %llx",
			      (unsigned long long)pos);
		free(map);
	}
	map = get_extents(fd, 1ULL << 40, ~0ULL, MAX_EXTENTS);
	CHECK(!map->fm_mapped_extents, "extents after the end");
	map = calloc(1, sizeof(*map));
	CHECK(ioctl(fd, FS_IOC_FIEMAP, map) && errno == EINVAL, "no length: %m");
	map->fm_length = ~0ULL;
	map->fm_flags = 0x40000000;
	CHECK(ioctl(fd, FS_IOC_FIEMAP, map) && errno == EBADR, "bad flag: %m");
}

static void fiemap_encoded(const void *arg)
{
	const char *dir = mount_image("lz4", via_of(arg), "mnt");
	int fd = open_need(below(dir, "sparse/hole-all"), O_RDONLY);
	struct fiemap *map = calloc(1, sizeof(*map) +
				    MAX_EXTENTS * sizeof(map->fm_extents[0]));
	size_t i;

	map->fm_length = ~0ULL;
	map->fm_extent_count = MAX_EXTENTS;
	if (ioctl(fd, FS_IOC_FIEMAP, map)) {
		CHECK(errno == EOPNOTSUPP, "FIEMAP: %m");
		return;
	}
	CHECK(map->fm_mapped_extents, "no extents");
	for (i = 0; i < map->fm_mapped_extents; i++)
		CHECK(map->fm_extents[i].fe_flags & FIEMAP_EXTENT_ENCODED,
		      "flags %x", map->fm_extents[i].fe_flags);
}

static void seek_holes(const void *arg)
{
	static const char * const images[] = { "chunk8-4k-4096", "chunk8-4k-512",
					       "chunk4-4k-1024",
					       "chunk8-64k-4096" };
	char at[16];
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(images); i++) {
		const char *dir;

		snprintf(at, sizeof(at), "mnt%zu", i);
		dir = mount_image(images[i], via_of(arg), at);
		for (k = 0; k < PATTERN_NR_SPARSE; k++) {
			const struct pattern_sparse *s = &pattern_sparse[k];
			uint64_t pos, data, hole;
			char name[64];
			int fd;

			snprintf(name, sizeof(name), "sparse/%s", s->name);
			fd = open_need(below(dir, name), O_RDONLY);
			for (pos = 0; pos < s->size; pos += 0x2fff) {
				/* The naive answer, a step of 64 KiB at a time */
				for (data = pos; data < s->size &&
				     !pattern_sparse_data(s, data); )
					data = (data / 0x10000 + 1) * 0x10000;
				for (hole = pos; hole < s->size &&
				     pattern_sparse_data(s, hole); )
					hole = (hole / 0x10000 + 1) * 0x10000;
				if (hole > s->size)
					hole = s->size;
				if (data >= s->size)
					CHECK(lseek(fd, pos, SEEK_DATA) < 0 &&
					      errno == ENXIO, "%s: data after %llx",
					      name, (unsigned long long)pos);
				else
					CHECK(lseek(fd, pos, SEEK_DATA) ==
					      (off_t)data, "%s: data from %llx: %lld",
					      name, (unsigned long long)pos,
					      (long long)lseek(fd, pos, SEEK_DATA));
				CHECK(lseek(fd, pos, SEEK_HOLE) == (off_t)hole,
				      "%s %s: hole from %llx: %llx, not %llx",
				      images[i], name, (unsigned long long)pos,
				      (long long)lseek(fd, pos, SEEK_HOLE),
				      (unsigned long long)hole);
			}
			CHECK(lseek(fd, s->size, SEEK_DATA) < 0 && errno == ENXIO,
			      "%s: data at the end: %m", name);
			CHECK(lseek(fd, s->size, SEEK_HOLE) < 0 && errno == ENXIO,
			      "%s: hole at the end: %m", name);
			close(fd);
		}
	}
}

/* Flat files have no holes but the one at their end, and whole-file holes */
static void seek_flat(const void *arg)
{
	const char *dir = mount_image("default-4096", via_of(arg), "mnt");
	const char *dir48 = mount_image("48bit-4096", via_of(arg), "mnt48");
	int fd = open_need(below(dir, "sizes/20000"), O_RDONLY);

	CHECK(lseek(fd, 0, SEEK_DATA) == 0, "data: %m");
	CHECK(lseek(fd, 19999, SEEK_DATA) == 19999, "last byte: %m");
	CHECK(lseek(fd, 0, SEEK_HOLE) == 20000, "hole: %m");
	CHECK(lseek(fd, 20000, SEEK_HOLE) < 0 && errno == ENXIO, "end: %m");
	fd = open_need(below(dir48, "sparse/hole-all"), O_RDONLY);
	CHECK(lseek(fd, 0, SEEK_DATA) < 0 && errno == ENXIO, "whole hole: %m");
	CHECK(lseek(fd, 5, SEEK_HOLE) == 5, "whole hole: %m");
	fd = open_need(below(dir, "sizes/0"), O_RDONLY);
	CHECK(lseek(fd, 0, SEEK_DATA) < 0 && errno == ENXIO, "empty: %m");
}

static void fibmap(const void *arg)
{
	static const char * const images[] = { "plain-512", "plain-4096",
					       "chunk8-4k-1024" };
	char at[16], want[4096], got[4096];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(images); i++) {
		const struct image *img = image_find(images[i]);
		int store = open_need(data_path(img->image), O_RDONLY), fd, bs;
		unsigned int blk, mapped = 0;

		snprintf(at, sizeof(at), "mnt%zu", i);
		fd = open_need(below(mount_image(images[i], via_of(arg), at),
				     "exact"), O_RDONLY);
		NEED(!ioctl(fd, FIGETBSZ, &bs), "FIGETBSZ: %m");
		CHECK((unsigned int)bs == img->bs, "block size %d", bs);
		for (blk = 0; blk < PATTERN_EXACT_SIZE / bs; blk += 3) {
			int nr = blk;

			if (ioctl(fd, FIBMAP, &nr)) {
				/* A file has no blocks of a device to tell */
				CHECK(!via_is_block(via_of(arg)) &&
				      (errno == EINVAL || errno == ENOTTY ||
				       errno == EOPNOTSUPP), "FIBMAP: %m");
				break;
			}
			if (!nr)
				continue;
			mapped++;
			pattern_fill(want, bs, PATTERN_EXACT_SEED,
				     (uint64_t)blk * bs);
			NEED(pread_full(store, got, bs, (off_t)nr * bs) == bs,
			     "no block %d", nr);
			CHECK(!memcmp(want, got, bs), "block %u is not at %d",
			      blk, nr);
		}
		if (via_is_block(via_of(arg)))
			CHECK(mapped, "nothing is mapped");
	}
}

/* ---------------------------------------------------------------- handles */

/* As struct file_handle, but with its room inside */
struct handle {
	unsigned int bytes;
	int type;
	unsigned char data[MAX_HANDLE_SZ];
};

static int name_to_handle(const char *path, struct handle *h)
{
	int id;

	return name_to_handle_at(AT_FDCWD, path, (struct file_handle *)h, &id,
				 0);
}

static int open_handle(int mnt, struct handle *h, int flags)
{
	return open_by_handle_at(mnt, (struct file_handle *)h,
				 flags | O_CLOEXEC);
}

static void get_handle(const char *path, struct handle *h)
{
	memset(h, 0, sizeof(*h));
	h->bytes = MAX_HANDLE_SZ;
	NEED(!name_to_handle(path, h), "handle of %s: %m", path);
}

static void handles_of(const char *image, enum via via, const char *at)
{
	static const char * const paths[] = {
		".", "exact", "sizes/513", "links/hard-b", "dirs/deep/a/b/c",
		"dirs/deep/a/b/c/file", "special/fifo", "names/n",
	};
	const char *dir = mount_image(image, via, at);
	struct handle h[ARRAY_SIZE(paths)];
	struct stat st[ARRAY_SIZE(paths)];
	int root = open_need(dir, O_RDONLY | O_DIRECTORY);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		get_handle(below(dir, paths[i]), &h[i]);
		NEED(!stat(below(dir, paths[i]), &st[i]), "%m");
		/* A size too small says how much it takes */
		h[i].bytes = 0;
		CHECK(name_to_handle(below(dir, paths[i]), &h[i]) &&
		      errno == EOVERFLOW && h[i].bytes, "no room: %m");
		get_handle(below(dir, paths[i]), &h[i]);
	}
	/* Nothing is in memory any more: all has to come from the handle */
	drop_caches();
	for (i = ARRAY_SIZE(paths); i-- > 0; ) {
		struct stat now;
		int fd = open_handle(root, &h[i], O_PATH);

		if (!CHECK(fd >= 0, "%s by handle: %m", paths[i]))
			continue;
		NEED(!fstat(fd, &now), "%m");
		CHECK(now.st_ino == st[i].st_ino && now.st_dev == st[i].st_dev &&
		      now.st_mode == st[i].st_mode, "%s is another file",
		      paths[i]);
		close(fd);
	}
}

static void handles(const void *arg)
{
	handles_of("default-512", via_of(arg), "mnt1");
	/* Here the nids have their highest bit set */
	handles_of("metabox-extended", via_of(arg), "mnt2");
}

/* The highest bit of such a nid goes where 32-bit programs see it, too */
static void metabox_numbers(const void *arg)
{
	const char *dir = mount_image("metabox-extended", via_of(arg), "mnt");
	unsigned int i, in_metabox = 0;

	for (i = 0; i < ARRAY_SIZE(some_paths); i++) {
		uint64_t nid, want;
		struct handle h;
		struct stat st;

		get_handle(below(dir, some_paths[i]), &h);
		nid = le(h.data, 8);
		in_metabox += nid >> 63;
		want = ((nid << 1) & ~0xffffffffULL) | (nid & 0x7fffffff) |
		       nid >> 63 << 31;
		NEED(!lstat(below(dir, some_paths[i]), &st), "%m");
		CHECK(st.st_ino == want, "%s: inode number %llx of nid %llx",
		      some_paths[i], (unsigned long long)st.st_ino,
		      (unsigned long long)nid);
	}
	CHECK(in_metabox == i, "%u of %u are in the metabox", in_metabox, i);
}

static void handle_contents(const void *arg)
{
	const char *dir = mount_image("default-4096", via_of(arg), "mnt");
	int root = open_need(dir, O_RDONLY | O_DIRECTORY), fd;
	struct handle file, sub;
	char path[PATH_MAX], link[64];
	struct stat a, b;

	get_handle(below(dir, "exact"), &file);
	get_handle(below(dir, "dirs/deep/a/b/c"), &sub);
	NEED(!stat(below(dir, "dirs/deep/a/b"), &b), "%m");
	drop_caches();
	fd = open_handle(root, &file, O_RDONLY);
	NEED(fd >= 0, "open_by_handle_at: %m");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	file_is_pattern(link, PATTERN_EXACT_SEED, PATTERN_EXACT_SIZE);
	close(fd);
	/* A directory is connected to the root again, by way of its parents */
	fd = open_handle(root, &sub, O_RDONLY | O_DIRECTORY);
	NEED(fd >= 0, "open_by_handle_at: %m");
	NEED(!fstatat(fd, "..", &a, 0), "..: %m");
	CHECK(a.st_ino == b.st_ino, "its parent is another one");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	memset(path, 0, sizeof(path));
	NEED(readlink(link, path, sizeof(path) - 1) > 0, "%m");
	CHECK(!strcmp(path, below(dir, "dirs/deep/a/b/c")), "it is at %s", path);
	CHECK(!faccessat(fd, "file", R_OK, 0), "file in it: %m");
}

/* Whatever a handle says: a file of this image, or an errno, and no harm */
static void handles_forged(const void *arg)
{
	const char *dir = mount_image("default-4096", via_of(arg), "mnt");
	int root = open_need(dir, O_RDONLY | O_DIRECTORY), fd;
	struct handle h, good;
	unsigned int i, opened = 0;

	get_handle(below(dir, "sizes/513"), &good);
	for (i = 0; i < good.bytes * 8; i++) {
		struct stat st;

		h = good;
		h.data[i / 8] ^= 1 << i % 8;
		fd = open_handle(root, &h, O_PATH);
		if (fd < 0) {
			CHECK(errno == ESTALE || errno == EUCLEAN ||
			      errno == EINVAL || errno == EOPNOTSUPP ||
			      errno == ENOENT || errno == EIO,
			      "bit %u: %m", i);
			continue;
		}
		opened++;
		/* Behind the nid comes a generation, and all are of the first */
		CHECK(i < 64, "bit %u, of the generation, changes nothing", i);
		NEED(!fstat(fd, &st), "%m");
		close(fd);
	}
	tap_note("%u of %u forged handles lead somewhere", opened, i);
	for (i = 0; i < 256; i++) {
		h = good;
		h.type = i;
		fd = open_handle(root, &h, O_PATH);
		CHECK(fd >= 0 || errno == ESTALE || errno == EINVAL,
		      "type %u: %m", i);
		if (fd >= 0)
			close(fd);
	}
	for (i = 0; i < good.bytes; i++) {
		h = good;
		h.bytes = i;
		fd = open_handle(root, &h, O_PATH);
		CHECK(fd < 0 && (errno == ESTALE || errno == EINVAL),
		      "%u bytes: %m", i);
	}
	memset(h.data, 0xff, good.bytes);
	h.bytes = good.bytes;
	CHECK(open_handle(root, &h, O_PATH) < 0,
	      "all ones is a file");
	tree_equals(dir, data_path(image_find("default-4096")->dump));
}

/*
 * An image with inodes behind 128 GiB, whose nids have more than 32 bits. It is
 * sparse, and too large to be among the others: it is written here, byte by byte
 * from the description of the format.
 */
#define FAR_NEAR	48ULL		/* nid of a file at the start */
#define FAR_FILE	((1ULL << 32) + FAR_NEAR)
#define FAR_DIR		((1ULL << 33) + 50)
#define FAR_SIZE	1000		/* bytes of each file, all inline */

static void put(unsigned char *p, uint64_t v, unsigned int bytes)
{
	for (; bytes--; v >>= 8)
		*p++ = v;
}

/* An extended inode with everything inline, at its nid */
static void far_inode(int fd, uint64_t nid, mode_t mode, const void *data,
		      unsigned int len)
{
	unsigned char inode[64 + 2048] = { 0 };

	put(inode, 1 | 2 << 1, 2);
	put(inode + 4, mode, 2);
	put(inode + 8, len, 8);
	put(inode + 16, 0xffffffff, 4);
	put(inode + 44, S_ISDIR(mode) ? 2 : 1, 4);
	memcpy(inode + 64, data, len);
	NEED(pwrite(fd, inode, 64 + len, nid * 32) == (ssize_t)(64 + len),
	     "pwrite: %m");
}

struct far_entry {
	const char *name;
	uint64_t nid;
	unsigned int type;
};

static void far_dir(int fd, uint64_t nid, const struct far_entry *e,
		    unsigned int nr)
{
	unsigned char block[512] = { 0 };
	unsigned int i, at = 12 * nr;

	for (i = 0; i < nr; i++) {
		put(block + 12 * i, e[i].nid, 8);
		put(block + 12 * i + 8, at, 2);
		block[12 * i + 10] = e[i].type;
		memcpy(block + at, e[i].name, strlen(e[i].name));
		at += strlen(e[i].name);
	}
	far_inode(fd, nid, S_IFDIR | 0755, block, at);
}

static const char *far_image(void)
{
	const struct far_entry root[] = {
		{ ".", 36, 2 }, { "..", 36, 2 }, { "dir", FAR_DIR, 2 },
		{ "far", FAR_FILE, 1 }, { "near", FAR_NEAR, 1 },
	}, dir[] = {
		{ ".", FAR_DIR, 2 }, { "..", 36, 2 }, { "far", FAR_FILE, 1 },
	};
	const char *path = tmp_path("far.img");
	unsigned char sb[128] = { 0 }, data[FAR_SIZE];
	int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

	NEED(fd >= 0 && !ftruncate(fd, (FAR_DIR * 32 | 0xfffff) + 1),
	     "%s: %m", path);
	put(sb, EROFS_STATFS_TYPE, 4);
	sb[12] = 12;
	put(sb + 14, 36, 2);
	put(sb + 16, 4, 8);
	put(sb + 36, FAR_DIR * 32 / 4096 + 1, 4);
	NEED(pwrite(fd, sb, sizeof(sb), 1024) == sizeof(sb), "pwrite: %m");
	far_dir(fd, 36, root, ARRAY_SIZE(root));
	far_dir(fd, FAR_DIR, dir, ARRAY_SIZE(dir));
	pattern_fill(data, sizeof(data), 40, 0);
	far_inode(fd, FAR_NEAR, S_IFREG | 0644, data, sizeof(data));
	pattern_fill(data, sizeof(data), 41, 0);
	far_inode(fd, FAR_FILE, S_IFREG | 0644, data, sizeof(data));
	close(fd);
	return path;
}

/* Nothing anywhere takes half of the number for the whole */
static void handles_far(const void *arg)
{
	struct source src = { .path = far_image(), .via = via_of(arg) };
	const char *dir = new_dir("mnt");
	struct handle far, sub;
	struct stat st, near;
	char link[64];
	int root, fd;

	NEED_OK(mount_at(&src, dir), "mount");
	NEED(!stat(below(dir, "far"), &st) && !stat(below(dir, "near"), &near),
	     "%m");
	CHECK(st.st_ino == FAR_FILE && near.st_ino == FAR_NEAR,
	      "inode numbers %llx and %llx", (unsigned long long)st.st_ino,
	      (unsigned long long)near.st_ino);
	file_is_pattern(below(dir, "near"), 40, FAR_SIZE);
	file_is_pattern(below(dir, "dir/far"), 41, FAR_SIZE);
	get_handle(below(dir, "far"), &far);
	get_handle(below(dir, "dir"), &sub);
	root = open_need(dir, O_RDONLY | O_DIRECTORY);
	drop_caches();
	fd = open_handle(root, &far, O_RDONLY);
	NEED(fd >= 0, "by handle: %m");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	file_is_pattern(link, 41, FAR_SIZE);
	close(fd);
	fd = open_handle(root, &sub, O_RDONLY | O_DIRECTORY);
	NEED(fd >= 0 && !fstat(fd, &st), "directory by handle: %m");
	CHECK(st.st_ino == FAR_DIR, "directory %llx",
	      (unsigned long long)st.st_ino);
	NEED(!fstatat(fd, "..", &st, 0), "..: %m");
	CHECK(st.st_ino == 36, "its parent is %llx",
	      (unsigned long long)st.st_ino);
	close(fd);
	/* The lower half alone is the nid of another file */
	put(far.data + 4, 0, 4);
	fd = open_handle(root, &far, O_RDONLY);
	NEED(fd >= 0, "by the handle of another: %m");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	file_is_pattern(link, 40, FAR_SIZE);
	close(fd);
	/* And one that is nowhere */
	put(far.data + 4, 0x7fffffff, 4);
	CHECK(open_handle(root, &far, O_RDONLY) < 0 && errno == ESTALE,
	      "a handle far outside: %m");
}

/* ----------------------------------------------------------- label, sysfs */

static void label(const void *arg)
{
	const char *path = tmp_path("labelled.img"), *dir = new_dir("mnt2");
	char text[256];
	int fd;

	fd = open_need(mount_image("label-4096", via_of(arg), "mnt"),
		       O_RDONLY | O_DIRECTORY);
	NEED(!ioctl(fd, FS_IOC_GETFSLABEL, text), "FS_IOC_GETFSLABEL: %m");
	CHECK(!strcmp(text, "label of 15 byt"), "label is %s", text);
	/* Sixteen bytes leave no room for a NUL in the image */
	copy_file(data_path("nosum-4096.img"), path);
	fd = open_need(path, O_WRONLY);
	NEED(pwrite(fd, "sixteen bytes...", 16, 1024 + 64) == 16, "%m");
	close(fd);
	NEED_OK(mount_file(path, dir, NULL), "mount");
	fd = open_need(below(dir, "exact"), O_RDONLY);
	NEED(!ioctl(fd, FS_IOC_GETFSLABEL, text), "FS_IOC_GETFSLABEL: %m");
	CHECK(!strcmp(text, "sixteen bytes..."), "label is %s", text);
	fd = open_need(mount_image("default-4096", via_of(arg), "mnt3"),
		       O_RDONLY | O_DIRECTORY);
	NEED(!ioctl(fd, FS_IOC_GETFSLABEL, text), "FS_IOC_GETFSLABEL: %m");
	CHECK(!text[0], "label is %s", text);
}

/* The folder of a mount: its block device's name, or the device of its files */
static const char *sysfs_dir(const char *mnt, enum via via)
{
	char source[PATH_MAX];
	struct stat st;
	char *p;

	if (via_is_block(via)) {
		NEED(mountinfo(mnt, source, sizeof(source), NULL, 0),
		     "no mountinfo");
		NEED(asprintf(&p, "/sys/fs/erofs/%s",
			      strrchr(source, '/') + 1) > 0, "memory");
		return p;
	}
	NEED(!stat(mnt, &st), "%m");
	NEED(asprintf(&p, "/sys/fs/erofs/%u:%u", major(st.st_dev),
		      minor(st.st_dev)) > 0, "memory");
	return p;
}

static const char *attribute(const char *dir, const char *name)
{
	char *text = slurp(below(dir, name), NULL);

	NEED(text, "%s/%s: %m", dir, name);
	text[strcspn(text, "\n")] = 0;
	return text;
}

static void sysfs(const void *arg)
{
	enum via via = via_of(arg);
	const char *mnt = mount_image("default-4096", via, "mnt");
	const char *dir = sysfs_dir(mnt, via), *mode;
	static const char * const bad[] = { "", "x", "-1", "99999999999" };
	size_t i;

	NEED(!access(dir, F_OK), "%s: %m", dir);
	CHECK(!strcmp(attribute(dir, "sync_decompress"), "0") ||
	      !strcmp(attribute(dir, "sync_decompress"), "1") ||
	      !strcmp(attribute(dir, "sync_decompress"), "2"),
	      "sync_decompress is %s", attribute(dir, "sync_decompress"));
	CHECK_ERR(write_str(below(dir, "sync_decompress"), "1\n"), 0, "1");
	CHECK(!strcmp(attribute(dir, "sync_decompress"), "1"), "not kept");
	CHECK_ERR(write_str(below(dir, "sync_decompress"), "3"), -EINVAL, "3");
	CHECK_ERR(write_str(below(dir, "dir_ra_bytes"), "65536\n"), 0, "64K");
	CHECK(!strcmp(attribute(dir, "dir_ra_bytes"), "65536"), "not kept");
	CHECK_ERR(write_str(below(dir, "dir_ra_bytes"), "0"), 0, "no readahead");
	for (i = 1; i < ARRAY_SIZE(bad); i++) {
		CHECK_ERR(write_str(below(dir, "dir_ra_bytes"), bad[i]), -EINVAL,
			  bad[i]);
		CHECK_ERR(write_str(below(dir, "drop_caches"), bad[i]), -EINVAL,
			  bad[i]);
	}
	CHECK_ERR(write_str(below(dir, "drop_caches"), "0"), -EINVAL, "0");
	CHECK_ERR(write_str(below(dir, "drop_caches"), "1"), 0, "1");
	CHECK_ERR(write_str(below(dir, "drop_caches"), "2"), 0, "2");
	CHECK_ERR(write_str(below(dir, "drop_caches"), "3\n"), 0, "3");
	CHECK_ERR(write_str(below(dir, "drop_caches"), "4"), -EINVAL, "4");
	mode = attribute(dir, "io_mode");
	CHECK(via_is_block(via) ? !strcmp(mode, "block")
				: !strcmp(mode, "auto") || !strcmp(mode, "direct") ||
				  !strcmp(mode, "buffered"), "io_mode is %s", mode);
	tree_equals(mnt, data_path(image_find("default-4096")->dump));
	CHECK_ERR(do_umount(mnt, 0), 0, "umount");
	CHECK(access(dir, F_OK) && errno == ENOENT, "%s stays", dir);
}

static unsigned long disk_reads(const char *disk)
{
	char path[128], *text;
	unsigned long n;

	snprintf(path, sizeof(path), "/sys/block/%s/stat", disk);
	text = slurp(path, NULL);
	NEED(text && sscanf(text, "%lu", &n) == 1, "%s: %m", path);
	free(text);
	return n;
}

/* How often the disk is read for a directory of many blocks */
static unsigned long readdir_reads(const char *mnt, const char *sysfs,
				   const char *ra_bytes)
{
	const char *disk = strrchr(sysfs, '/') + 1;
	unsigned long before;
	size_t nr;
	int fd;

	NEED_OK(write_str(below(sysfs, "dir_ra_bytes"), ra_bytes), ra_bytes);
	drop_caches();
	fd = open_need(below(mnt, "dirs/three-thousand"),
		       O_RDONLY | O_DIRECTORY);
	before = disk_reads(disk);
	free(read_dir(fd, 4096, &nr));
	CHECK(nr == 3002, "%zu entries", nr);
	close(fd);
	return disk_reads(disk) - before;
}

static void sysfs_dir_ra(const void *arg)
{
	const char *mnt = mount_image("full", VIA_LOOP, "mnt");
	const char *dir = sysfs_dir(mnt, VIA_LOOP);
	unsigned long none, some, all;

	(void)arg;
	none = readdir_reads(mnt, dir, "0");
	some = readdir_reads(mnt, dir, "16384");
	all = readdir_reads(mnt, dir, "131072");
	tap_note("%lu reads, %lu with 16 KiB of readahead, %lu with 128 KiB",
		 none, some, all);
	CHECK(none > 8, "%lu reads without readahead", none);
	CHECK(some <= none / 2 && all <= some / 2, "readahead does not pay");
}

/* What the mount was told, and what it really does */
static void sysfs_io_mode(const void *arg)
{
	static const char * const opt[] = { "directio", "nodirectio" };
	static const char * const want[] = { "direct", "buffered" };
	const char *mnt = new_dir("mnt"), *ramfs = new_dir("ramfs");
	const char *image = data_path(image_find("default-4096")->image);
	const char *mode;
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(opt); i++) {
		NEED_OK(mount_file(image, mnt, opt[i]), opt[i]);
		mode = attribute(sysfs_dir(mnt, VIA_PATH), "io_mode");
		CHECK(!strcmp(mode, want[i]), "%s: io_mode is %s", opt[i], mode);
		NEED_OK(do_umount(mnt, 0), "umount");
	}
	if (do_mount("none", ramfs, "ramfs", 0, NULL))
		tap_skip("no ramfs");
	copy_file(image, below(ramfs, "img"));
	NEED_OK(mount_file(below(ramfs, "img"), mnt, NULL), "mount");
	mode = attribute(sysfs_dir(mnt, VIA_PATH), "io_mode");
	CHECK(!strcmp(mode, "buffered"), "on ramfs: io_mode is %s", mode);
}

static void sysfs_features(const void *arg)
{
	DIR *d = opendir("/sys/fs/erofs/features");
	struct dirent *e;
	unsigned int nr = 0;

	(void)arg;
	NEED(d, "/sys/fs/erofs/features: %m");
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		CHECK(attribute("/sys/fs/erofs/features", e->d_name)[0],
		      "%s says nothing", e->d_name);
		nr++;
	}
	closedir(d);
	CHECK(nr >= 4, "%u features", nr);
	CHECK(!access("/sys/fs/erofs/features/sb_chksum", F_OK) &&
	      !access("/sys/fs/erofs/features/chunked_file", F_OK) &&
	      !access("/sys/fs/erofs/features/device_table", F_OK), "%m");
}

static const char *tracefs(void)
{
	static const char * const places[] = { "/sys/kernel/tracing",
					       "/sys/kernel/debug/tracing" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(places); i++)
		if (!access(below(places[i], "trace"), F_OK))
			return places[i];
	tap_skip("no tracefs");
}

static void tracepoints(const void *arg)
{
	const char *dir = tracefs(), *mnt;
	const char *enable = below(dir, "events/erofs/enable");
	char *text;

	NEED(!access(below(dir, "events/erofs"), F_OK), "no events: %m");
	/* nor names of tasks: that patches the scheduler, which emulation minds */
	write_str(below(dir, "options/record-cmd"), "0");
	NEED_OK(write_str(below(dir, "trace"), ""), "clear");
	NEED_OK(write_str(enable, "1"), "enable");
	mnt = mount_image("default-4096", via_of(arg), "mnt");
	file_is_pattern(below(mnt, "exact"), PATTERN_EXACT_SEED,
			PATTERN_EXACT_SIZE);
	NEED(access(below(mnt, "nowhere"), F_OK), "it is there");
	NEED_OK(write_str(enable, "0"), "disable");
	text = slurp(below(dir, "trace"), NULL);
	NEED(text, "trace: %m");
	CHECK(strstr(text, "erofs_"), "no event has fired");
	CHECK(strstr(text, "erofs_lookup") || strstr(text, "erofs_iget"),
	      "no lookup was traced");
	CHECK(strstr(text, "erofs_map") || strstr(text, "erofs_req") ||
	      strstr(text, "erofs_read"), "no read was traced");
	free(text);
	write_str(below(dir, "trace"), "");
}

/* ---------------------------------------------------------------- writing */

#define REFUSED(call)							\
	CHECK((call) < 0 && errno == EROFS, "%s: %m", #call)

static void writes_refused(const void *arg)
{
	const char *dir = mount_image("default-4096", via_of(arg), "mnt");
	const char *file = below(dir, "exact"), *none = below(dir, "new");
	struct timespec now[2] = { { .tv_nsec = UTIME_NOW },
				   { .tv_nsec = UTIME_NOW } };
	int flags = 0, fd;

	REFUSED(open(file, O_WRONLY));
	REFUSED(open(file, O_RDWR));
	REFUSED(open(file, O_RDONLY | O_TRUNC));
	REFUSED(open(none, O_CREAT | O_WRONLY, 0644));
	REFUSED(open(dir, O_TMPFILE | O_RDWR, 0644));
	REFUSED(truncate(file, 0));
	REFUSED(mkdir(none, 0755));
	REFUSED(mknod(none, S_IFIFO | 0644, 0));
	REFUSED(symlink("x", none));
	REFUSED(link(file, none));
	REFUSED(unlink(file));
	REFUSED(rmdir(below(dir, "dirs/empty")));
	REFUSED(rename(file, none));
	REFUSED(chmod(file, 0777));
	REFUSED(chown(file, 1, 1));
	REFUSED(utimensat(AT_FDCWD, file, now, 0));
	REFUSED(setxattr(file, "user.x", "y", 1, 0));
	fd = open_need(file, O_RDONLY);
	CHECK(ftruncate(fd, 0) && (errno == EINVAL || errno == EBADF),
	      "ftruncate: %m");
	CHECK(fallocate(fd, 0, 0, 1) && errno == EBADF, "fallocate: %m");
	CHECK(write(fd, "x", 1) < 0 && errno == EBADF, "write: %m");
	CHECK(ioctl(fd, FS_IOC_SETFLAGS, &flags) && (errno == EROFS ||
	      errno == ENOTTY || errno == EOPNOTSUPP || errno == EPERM),
	      "FS_IOC_SETFLAGS: %m");
	CHECK(ioctl(fd, 0x12345678, NULL) && errno == ENOTTY, "ioctl: %m");
	tree_equals(dir, data_path(image_find("default-4096")->dump));
}

/* Pipes and devices of the image are objects of the kernel, not of the image */
static void special_files(const void *arg)
{
	const char *dir = mount_image("default-4096", via_of(arg), "mnt");
	int r = open(below(dir, "special/fifo"), O_RDONLY | O_NONBLOCK);
	int w = open(below(dir, "special/fifo"), O_WRONLY | O_NONBLOCK);
	char text[8] = "";
	int null;

	CHECK(r >= 0 && w >= 0, "fifo: %m");
	CHECK(write(w, "through", 7) == 7 && read(r, text, 7) == 7 &&
	      !strcmp(text, "through"), "fifo: %m");
	null = open(below(dir, "special/null"), O_RDWR);
	CHECK(null >= 0 && write(null, "x", 1) == 1 &&
	      read(null, text, 1) == 0, "null: %m");
	CHECK(open(below(dir, "special/socket"), O_RDONLY) < 0 &&
	      errno == ENXIO, "socket: %m");
}

static void inotify(const void *arg)
{
	const char *dir = mount_image("default-4096", via_of(arg), "mnt");
	int in = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), fd;
	char buf[4096] __attribute__((aligned(8)));
	uint32_t seen = 0;
	ssize_t n, i;

	NEED(in >= 0 && inotify_add_watch(in, dir, IN_ALL_EVENTS) >= 0 &&
	     inotify_add_watch(in, below(dir, "exact"), IN_ALL_EVENTS) >= 0,
	     "inotify: %m");
	fd = open_need(below(dir, "exact"), O_RDONLY);
	NEED(read(fd, buf, 100) == 100, "%m");
	close(fd);
	CHECK_ERR(do_umount(dir, 0), 0, "umount of what is watched");
	while ((n = read(in, buf, sizeof(buf))) > 0) {
		for (i = 0; i < n; ) {
			struct inotify_event *e = (void *)(buf + i);

			seen |= e->mask;
			i += sizeof(*e) + e->len;
		}
	}
	CHECK(seen & IN_OPEN && seen & IN_ACCESS && seen & IN_CLOSE_NOWRITE &&
	      seen & IN_UNMOUNT, "events %x", seen);
}

/* ------------------------------------------------------------- page cache */

static long long meminfo(const char *key)
{
	char *text = slurp("/proc/meminfo", NULL), *p;
	long long kb;

	NEED(text, "/proc/meminfo: %m");
	p = strstr(text, key);
	NEED(p && sscanf(p + strlen(key), ": %lld", &kb) == 1, "no %s", key);
	free(text);
	return kb << 10;
}

/* One copy in memory: that of the mount, not that of the image as well */
static void cached_once(const void *arg)
{
	const char *dir;
	long long before, grown;

	(void)arg;
	drop_caches();
	dir = mount_image("full", VIA_PATH, "mnt");
	/* Names and inodes first, so that the file alone is measured */
	NEED(!access(below(dir, "big"), F_OK), "%m");
	before = meminfo("\nCached");
	file_is_pattern(below(dir, "big"), PATTERN_BIG_SEED, PATTERN_BIG_SIZE);
	grown = meminfo("\nCached") - before;
	tap_note("%lld KiB cached for %llu KiB read", grown >> 10,
		 PATTERN_BIG_SIZE >> 10);
	CHECK(grown >= (long long)PATTERN_BIG_SIZE * 95 / 100,
	      "less than the file: it is not cached at all");
	CHECK(grown <= (long long)PATTERN_BIG_SIZE * 105 / 100,
	      "more than 1.05 times the file");
	/* And what is cached is used */
	before = meminfo("\nCached");
	file_is_pattern(below(dir, "big"), PATTERN_BIG_SEED, PATTERN_BIG_SIZE);
	grown = meminfo("\nCached") - before;
	CHECK(grown < (long long)PATTERN_BIG_SIZE / 50, "grown again by %lld",
	      grown);
}

/* The mapping of a mount shows in owners and ACLs, and decides about access */
static void idmapped(const void *arg)
{
	const struct image *img = image_find("xattr-4096");
	const char *dir = new_dir("mnt");
	const char *allow = below(dir, "acl-allow-1000");
	const char *deny = below(dir, "acl-deny-1001");
	unsigned char acl[44];
	struct source src;
	struct stat st;
	int mnt;

	image_source(img, via_of(arg), &src);
	mnt = mount_detached(&src);
	NEED_OK(mnt, "mount");
	set_idmap(mnt, 100000);
	NEED_OK(attach(mnt, dir), "attach");
	NEED(!stat(allow, &st), "%m");
	CHECK(st.st_uid == 100000 && st.st_gid == 100000, "owner %u", st.st_uid);
	CHECK(getxattr(allow, "system.posix_acl_access", acl, sizeof(acl)) == 44,
	      "ACL: %m");
	CHECK(le(acl + 4 + 8 + 4, 4) == 101000, "ACL is for %llu",
	      (unsigned long long)le(acl + 4 + 8 + 4, 4));
	CHECK_ERR(as_user(101000, allow, O_RDONLY), 0, "101000 may");
	CHECK_ERR(as_user(1000, allow, O_RDONLY), -EACCES, "1000 may not");
	CHECK_ERR(as_user(101001, deny, O_RDONLY), -EACCES, "101001 may not");
	CHECK_ERR(as_user(1001, deny, O_RDONLY), 0, "1001 is nobody here");
}

#define ON_BOTH(f)							\
	{ .name = #f ".file", .fn = (f), .arg = &via_file },		\
	{ .name = #f ".block", .fn = (f), .arg = &via_block }

static const struct tap_case cases[] = {
	TAP_CASE(stat_fields),
	TAP_CASE(statx_fields),
	TAP_CASE(statx_compressed),
	TAP_CASE(statfs_fields),
	TAP_CASE(statfs_fsid),
	TAP_CASE(xattr_calls),
	TAP_CASE(xattr_list_is_get),
	TAP_CASE(xattr_rights),
	TAP_CASE(acl_rights),
	ON_BOTH(readdir_positions),
	TAP_CASE(readdir_is_stat),
	ON_BOTH(lookups),
	ON_BOTH(mmap_file),
	ON_BOTH(mmap_past_end),
	ON_BOTH(cold_metadata),
	ON_BOTH(mmap_holes),
	ON_BOTH(exec_file),
	ON_BOTH(sendfile_splice),
	ON_BOTH(read_edges),
	ON_BOTH(nowait_cached),
	ON_BOTH(advice),
	ON_BOTH(direct_io),
	{ .name = "direct_nowait.block", .fn = direct_nowait, .arg = &via_block },
	ON_BOTH(direct_and_cached),
	ON_BOTH(direct_memory),
	ON_BOTH(fiemap),
	ON_BOTH(fiemap_holes),
	ON_BOTH(fiemap_parts),
	ON_BOTH(fiemap_encoded),
	ON_BOTH(seek_holes),
	ON_BOTH(seek_flat),
	ON_BOTH(fibmap),
	ON_BOTH(handles),
	ON_BOTH(metabox_numbers),
	ON_BOTH(handle_contents),
	ON_BOTH(handles_forged),
	ON_BOTH(handles_far),
	ON_BOTH(label),
	ON_BOTH(sysfs),
	TAP_CASE(sysfs_dir_ra),
	TAP_CASE(sysfs_io_mode),
	TAP_CASE(sysfs_features),
	ON_BOTH(tracepoints),
	ON_BOTH(writes_refused),
	ON_BOTH(special_files),
	ON_BOTH(inotify),
	TAP_CASE(cached_once),
	ON_BOTH(idmapped),
};

int main(int argc, char **argv)
{
	return tap_run("vfs", cases, ARRAY_SIZE(cases), argc, argv);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes source trees on the host, from nothing, always the same ones. What the
 * tests rely on by name is said in pattern.h and in the head of mkdata.sh.
 *
 *   mktree small DIR   one of everything, for the matrix of layouts
 *   mktree old DIR     the same with only what mkfs.erofs 1.5 can store
 *   mktree narrow DIR  small with only times of 32 bits, for 48-bit images
 *   mktree compact DIR small with only what mkfs.erofs 1.5 can store, and what
 *			a compact inode can hold
 *   mktree full DIR    small, and big files and directories
 *   mktree xattr DIR   extended attributes and ACLs; needs root
 *   mktree codec DIR   data of every density, for the matrix of codecs
 *   mktree composefs DIR  files whose data overlayfs finds elsewhere
 *   mktree dev3 OUT BS CHUNK
 *		an image of three devices with adjacent sectors: OUT.img,
 *		OUT.dev1, OUT.dev2, and the tree it must show in OUT.tree
 *
 *   mktree many OUT N
 *		an image of one file, whose N chunks lie on N devices: OUT.img,
 *		OUT.dev/000 ..., OUT.tree
 *
 * Any failure ends the program: a tree that is only nearly right is no oracle.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "pattern.h"

static int root;	/* the tree's own directory; all paths are below it */

/* What depends on the writer: what it cannot store, what it would change */
enum limits {
	NAMES_OF_254 = 1,	/* 1.5 cuts the last byte of a longer name */
	IDS_OF_16_BITS = 2,
	WITH_WHITEOUT = 8,
	TIMES_OF_32_BITS = 4,	/* compact inodes of 48-bit images, unsigned */
};

/* ------------------------------------------------------------ small steps */

static void put_time(const char *path, int64_t sec, long nsec)
{
	struct timespec ts[2] = {
		{ .tv_sec = sec, .tv_nsec = nsec },
		{ .tv_sec = sec, .tv_nsec = nsec },
	};

	if (utimensat(root, path, ts, AT_SYMLINK_NOFOLLOW))
		err(1, "time of %s", path);
}

/* A time of its own for each path, so that mixed up inodes are seen */
static void put_default_time(const char *path)
{
	unsigned int h = 0;
	const char *p;

	for (p = path; *p; p++)
		h = h * 31 + (unsigned char)*p;
	put_time(path, 1600000000 + h % 50000000, h % 1000000000);
}

static int create(const char *path, mode_t mode)
{
	int fd = openat(root, path, O_CREAT | O_EXCL | O_RDWR, 0600);

	if (fd < 0 || fchmod(fd, mode))
		err(1, "create %s", path);
	return fd;
}

static void put_pattern(int fd, uint64_t seed, uint64_t start, uint64_t end)
{
	static unsigned char buf[1 << 16];

	while (start < end) {
		size_t n = end - start < sizeof(buf) ? end - start : sizeof(buf);

		pattern_fill(buf, n, seed, start);
		if (pwrite(fd, buf, n, start) != (ssize_t)n)
			err(1, "pwrite");
		start += n;
	}
}

static void file(const char *path, mode_t mode, uint64_t seed, uint64_t size)
{
	int fd = create(path, mode);

	put_pattern(fd, seed, 0, size);
	close(fd);
	put_default_time(path);
}

static void dir(const char *path, mode_t mode)
{
	if (mkdirat(root, path, 0700) || fchmodat(root, path, mode, 0))
		err(1, "mkdir %s", path);
}

static void owner(const char *path, uid_t uid, gid_t gid)
{
	struct stat st;

	/* chown drops the setuid bits of a file */
	if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) ||
	    fchownat(root, path, uid, gid, AT_SYMLINK_NOFOLLOW))
		err(1, "chown %s", path);
	if (!S_ISLNK(st.st_mode) &&
	    fchmodat(root, path, st.st_mode & 07777, 0))
		err(1, "chmod %s", path);
	put_default_time(path);
}

static void node(const char *path, mode_t mode, dev_t dev)
{
	if (mknodat(root, path, mode, dev) ||
	    fchmodat(root, path, mode & 07777, 0))
		err(1, "mknod %s", path);
	put_default_time(path);
}

static void slink(const char *path, const char *target)
{
	if (symlinkat(target, root, path))
		err(1, "symlink %s", path);
	put_default_time(path);
}

static void hard_link(const char *old, const char *new)
{
	if (linkat(root, old, root, new, 0))
		err(1, "link %s", new);
}

/* Without the prefix a target could look like another of the same length */
static void slink_of_length(const char *dirname, unsigned int len)
{
	char path[64], target[4096];
	unsigned int i;

	for (i = 0; i < len; i++)
		target[i] = i % 16 == 15 ? '/' : 'a' + (len + i) % 26;
	target[len] = 0;
	snprintf(path, sizeof(path), "%s/%u", dirname, len);
	slink(path, target);
}

static void many_files(const char *dirname, unsigned int nr)
{
	char path[320];
	unsigned int i;
	int fd;

	dir(dirname, 0755);
	for (i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), "%s/file-%05u-%.*s", dirname, i,
			 (int)(i % 40), "abcdefghijklmnopqrstuvwxyz0123456789ABCD");
		fd = create(path, 0644);
		if (dprintf(fd, "%u\n", i) < 0)
			err(1, "write %s", path);
		close(fd);
		put_default_time(path);
	}
	put_default_time(dirname);
}

/* ---------------------------------------------------- one of everything */

static void sizes(void)
{
	static const unsigned int size[] = {
		1, 7, 31, 32, 33, 100, 448, 511, 512, 513, 1000, 1023, 1024,
		1025, 2047, 2048, 2049, 3000, 4000, 4064, 4095, 4096, 4097,
		4608, 8191, 8192, 8193, 12288, 20000, 65535, 65536, 65537,
	};
	char path[64];
	unsigned int i;

	dir("sizes", 0755);
	file("sizes/0", 0644, 0, 0);
	for (i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		snprintf(path, sizeof(path), "sizes/%u", size[i]);
		file(path, 0644, size[i], size[i]);
	}
	put_default_time("sizes");
}

static void links(void)
{
	static const unsigned int len[] = {
		1, 2, 31, 32, 59, 60, 61, 100, 255, 448, 511, 512, 513, 1000,
		1023, 1024, 1025, 2048, 4000, 4032, 4064, 4094, 4095,
	};
	unsigned int i;

	dir("links", 0755);
	for (i = 0; i < sizeof(len) / sizeof(len[0]); i++)
		slink_of_length("links", len[i]);
	slink("links/to-file", "../sizes/513");
	slink("links/to-dir", "../dirs/fifty");
	slink("links/dangling", "nothing here");
	slink("links/loop", "loop");
	file("links/hard-a", 0640, 77, 777);
	hard_link("links/hard-a", "links/hard-b");
	hard_link("links/hard-a", "links/hard-c");
	put_default_time("links");
}

static void names(unsigned int limits)
{
	char path[300];

	dir("names", 0755);
	memcpy(path, "names/", 6);
	memset(path + 6, 'n', 255);
	path[6 + 255] = 0;
	if (!(limits & NAMES_OF_254))
		file(path, 0644, 255, 255);
	path[6 + 254] = 0;
	file(path, 0644, 254, 254);
	path[6 + 1] = 0;
	file(path, 0644, 1, 1);
	file("names/with space", 0644, 9, 9);
	file("names/\xc3\xa4\xc3\xb6", 0644, 9, 10);
	/* Sort before "." and "..", and after every other name */
	file("names/!before-dots", 0644, 9, 11);
	file("names/-dash", 0644, 9, 12);
	file("names/.hidden", 0644, 9, 13);
	file("names/...", 0644, 9, 14);
	file("names/\x7f", 0644, 9, 15);
	file("names/\xff\xfe", 0644, 9, 16);
	file("names/nn-prefix", 0644, 9, 17);
	put_default_time("names");
}

static void specials(unsigned int limits)
{
	dir("special", 0755);
	node("special/fifo", S_IFIFO | 0640, 0);
	node("special/socket", S_IFSOCK | 0755, 0);
	node("special/null", S_IFCHR | 0666, makedev(1, 3));
	node("special/block", S_IFBLK | 0660, makedev(259, 300));
	node("special/large", S_IFCHR | 0600, makedev(4095, 1048575));
	put_default_time("special");
	/* Newer versions of mkfs.erofs add an attribute to its folder */
	if (limits & WITH_WHITEOUT) {
		dir("whiteout", 0755);
		node("whiteout/gone", S_IFCHR | 0000, makedev(0, 0));
		put_default_time("whiteout");
	}
}

static void modes(unsigned int limits)
{
	dir("modes", 0755);
	file("modes/suid", 04755, 5, 50);
	file("modes/sgid", 02755, 5, 51);
	file("modes/all", 07777, 5, 52);
	file("modes/none", 00000, 5, 53);
	dir("modes/sticky", 01777);
	put_default_time("modes/sticky");
	dir("modes/sgid-dir", 02775);
	put_default_time("modes/sgid-dir");
	file("modes/owned", 0600, 5, 54);
	owner("modes/owned", 1000, 1001);
	if (!(limits & IDS_OF_16_BITS)) {
		file("modes/owned-70000", 04711, 5, 55);
		owner("modes/owned-70000", 70000, 70001);
		dir("modes/dir-70000", 0750);
		owner("modes/dir-70000", 70000, 70001);
		slink("modes/link-70000", "x");
		owner("modes/link-70000", 70000, 70001);
	}
	put_default_time("modes");
}

static void times(unsigned int limits)
{
	static const struct {
		const char *name;
		int64_t sec;
		long nsec;
	} t[] = {
		{ "times/epoch", 0, 0 },
		{ "times/epoch-nsec", 0, 1 },
		{ "times/before", -1, 999999999 },
		{ "times/1901", -2147483648LL, 0 },
		{ "times/2038", 2147483647, 999999999 },
		{ "times/2039", 2147483648LL, 123456789 },
		{ "times/2106", 4294967296LL, 5 },
		{ "times/2446", 15032385535LL, 999999999 },
	};
	unsigned int i;

	dir("times", 0755);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		if ((limits & TIMES_OF_32_BITS) && (t[i].sec < 0 || t[i].sec >> 32))
			continue;
		file(t[i].name, 0644, 6, 6);
		put_time(t[i].name, t[i].sec, t[i].nsec);
	}
	put_default_time("times");
}

static void sparse(void)
{
	char path[64];
	unsigned int i, k;
	int fd;

	dir("sparse", 0755);
	for (i = 0; i < PATTERN_NR_SPARSE; i++) {
		const struct pattern_sparse *s = &pattern_sparse[i];

		snprintf(path, sizeof(path), "sparse/%s", s->name);
		fd = create(path, 0644);
		if (ftruncate(fd, s->size))
			err(1, "%s", path);
		for (k = 0; k < 3 && s->data[k].end; k++)
			put_pattern(fd, PATTERN_SPARSE_SEED, s->data[k].start,
				    s->data[k].end);
		close(fd);
		put_default_time(path);
	}
	put_default_time("sparse");
}

static void dirs(void)
{
	char path[64];
	unsigned int i;

	dir("dirs", 0755);
	dir("dirs/empty", 0755);
	put_default_time("dirs/empty");
	many_files("dirs/one", 1);
	many_files("dirs/fifty", 50);
	dir("dirs/subdirs", 0755);
	for (i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "dirs/subdirs/%u", i);
		dir(path, 0755);
		put_default_time(path);
	}
	put_default_time("dirs/subdirs");
	dir("dirs/deep", 0755);
	dir("dirs/deep/a", 0755);
	dir("dirs/deep/a/b", 0755);
	dir("dirs/deep/a/b/c", 0755);
	file("dirs/deep/a/b/c/file", 0644, 8, 88);
	put_default_time("dirs/deep/a/b/c");
	put_default_time("dirs/deep/a/b");
	put_default_time("dirs/deep/a");
	put_default_time("dirs/deep");
	put_default_time("dirs");
}

static void make_small(unsigned int limits)
{
	sizes();
	links();
	names(limits);
	specials(limits);
	modes(limits);
	times(limits);
	sparse();
	dirs();
	file("exact", 0644, PATTERN_EXACT_SEED, PATTERN_EXACT_SIZE);
	put_default_time(".");
}

static void make_full(void)
{
	make_small(0);
	file("big", 0644, PATTERN_BIG_SEED, PATTERN_BIG_SIZE);
	file("mid", 0644, PATTERN_MID_SEED, PATTERN_MID_SIZE);
	many_files("dirs/three-thousand", 3000);
	put_default_time("dirs");
	put_default_time(".");
}

/* ------------------------------------------------------------ attributes */

/*
 * A host filesystem without trusted or security attributes, or without ACLs,
 * still makes a tree that is worth its test; the expected dump is of that tree.
 */
static void cannot(const char *path, const char *name)
{
	if (errno != EOPNOTSUPP && errno != EPERM)
		err(1, "setxattr %s %s", path, name);
	warn("left out: %s of %s", name, path);
}

static void xattr(const char *path, const char *name, const void *value,
		  size_t len)
{
	char proc[64];
	int fd;

	/* By way of an O_PATH descriptor: works for links and device nodes */
	fd = openat(root, path, O_PATH | O_NOFOLLOW);
	if (fd < 0)
		err(1, "open %s", path);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (setxattr(proc, name, value, len, 0))
		cannot(path, name);
	close(fd);
}

/* fd links are followed, so symlinks need their name */
static void link_xattr(const char *dirpath, const char *path,
		       const char *name, const char *value)
{
	char full[4096];

	snprintf(full, sizeof(full), "%s/%s", dirpath, path);
	if (lsetxattr(full, name, value, strlen(value), 0))
		cannot(path, name);
}

static void text_xattr(const char *path, const char *name, const char *value)
{
	xattr(path, name, value, strlen(value));
}

static void put_le16(unsigned char *p, unsigned int v)
{
	p[0] = v;
	p[1] = v >> 8;
}

static void put_le32(unsigned char *p, uint32_t v)
{
	put_le16(p, v);
	put_le16(p + 2, v >> 16);
}

static void put_le64(unsigned char *p, uint64_t v)
{
	put_le32(p, v);
	put_le32(p + 4, v >> 32);
}

/* The system call's own form of an ACL: owner, one user, group, mask, other */
static void acl(const char *path, const char *name, const unsigned int perm[5],
		uint32_t uid)
{
	static const unsigned int tag[5] = { 0x01, 0x02, 0x04, 0x10, 0x20 };
	unsigned char buf[4 + 5 * 8];
	unsigned int i;

	put_le32(buf, 2);
	for (i = 0; i < 5; i++) {
		put_le16(buf + 4 + i * 8, tag[i]);
		put_le16(buf + 6 + i * 8, perm[i]);
		put_le32(buf + 8 + i * 8, i == 1 ? uid : 0xffffffff);
	}
	xattr(path, name, buf, sizeof(buf));
}

static void acls(void)
{
	static const unsigned int allow[5] = { 6, 4, 0, 4, 0 };
	static const unsigned int deny[5] = { 6, 0, 4, 4, 4 };

	/* Nobody but uid 1000 reads the first; all but uid 1001 the second */
	file("acl-allow-1000", 0640, 10, 100);
	acl("acl-allow-1000", "system.posix_acl_access", allow, 1000);
	put_default_time("acl-allow-1000");
	file("acl-deny-1001", 0644, 10, 101);
	acl("acl-deny-1001", "system.posix_acl_access", deny, 1001);
	put_default_time("acl-deny-1001");
	dir("acl-default", 0755);
	acl("acl-default", "system.posix_acl_default", allow, 1000);
	acl("acl-default", "system.posix_acl_access", deny, 1002);
	put_default_time("acl-default");
}

static void shared_attrs(void)
{
	char path[64], name[64], value[128];
	unsigned int i, k;

	dir("shared", 0755);
	for (i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "shared/f%02u", i);
		file(path, 0644, i, i * 37);
		for (k = 0; k < 5; k++) {
			snprintf(name, sizeof(name), "user.shared-%u", k);
			memset(value, 'A' + k, sizeof(value));
			xattr(path, name, value, 20 + 20 * k);
		}
		text_xattr(path, "security.label", "system_u:object_r:lib_t:s0");
		snprintf(value, sizeof(value), "only %u", i);
		text_xattr(path, "user.own", value);
		put_default_time(path);
	}
	put_default_time("shared");
}

static void many_attrs(void)
{
	unsigned char big[3000];
	char name[320];
	unsigned int i;

	file("many", 0644, 11, 5000);
	for (i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "user.number-%02u", i);
		text_xattr("many", name, name + 5);
	}
	put_default_time("many");

	file("value-big", 0644, 11, 6000);
	pattern_fill(big, sizeof(big), 12, 0);
	xattr("value-big", "user.big", big, sizeof(big));
	put_default_time("value-big");

	file("value-empty", 0644, 11, 6001);
	xattr("value-empty", "user.empty", "", 0);
	xattr("value-empty", "trusted.overlay.metacopy", "", 0);
	text_xattr("value-empty", "user.full", "not empty");
	put_default_time("value-empty");

	file("name-long", 0644, 11, 1);
	memset(name, 'x', sizeof(name));
	memcpy(name, "user.", 5);
	name[255] = 0;
	text_xattr("name-long", name, "long");
	name[6] = 0;
	text_xattr("name-long", name, "short");
	put_default_time("name-long");
}

static void prefixed_attrs(void)
{
	char path[64], name[128];
	unsigned int i;

	dir("prefixed", 0755);
	for (i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "prefixed/p%u", i);
		file(path, 0644, 13, 130 + i);
		snprintf(name, sizeof(name), "user.org.example.project.attribute.%u", i);
		text_xattr(path, name, "user value");
		text_xattr(path, "user.org.example.project.attribute.", "no suffix");
		text_xattr(path, "user.org.example.project", "not prefixed");
		text_xattr(path, "trusted.overlay.opaque", "y");
		snprintf(name, sizeof(name), "trusted.overlay.origin%u", i);
		text_xattr(path, name, name);
		put_default_time(path);
	}
	put_default_time("prefixed");
}

static void make_xattr(const char *path)
{
	/* VFS_CAP_REVISION_2, cap_net_raw permitted and effective */
	static const unsigned char cap[20] = { 1, 0, 0, 2, 0, 0x20 };

	file("plain", 0644, 9, 9);
	file("capability", 0755, 9, 90);
	xattr("capability", "security.capability", cap, sizeof(cap));
	put_default_time("capability");
	file("trusted", 0644, 9, 91);
	text_xattr("trusted", "trusted.secret", "for root alone");
	text_xattr("trusted", "user.public", "for all");
	put_default_time("trusted");
	slink("link", "plain");
	link_xattr(path, "link", "trusted.on-link", "link");
	link_xattr(path, "link", "security.on-link", "label");
	put_default_time("link");
	node("fifo", S_IFIFO | 0600, 0);
	text_xattr("fifo", "trusted.on-fifo", "fifo");
	put_default_time("fifo");
	acls();
	shared_attrs();
	many_attrs();
	prefixed_attrs();
	text_xattr(".", "user.root", "on the root directory");
	text_xattr(".", "trusted.overlay.opaque", "x");
	put_default_time(".");
}

/*
 * What composefs writes: each file is a hole of the right size, and names the
 * object that holds its bytes in a layer below. Seed and size: see clients.c.
 */
static void make_composefs(void)
{
	int fd;

	dir("dir", 0755);
	fd = create("dir/data", 0644);
	if (ftruncate(fd, PATTERN_EXACT_SIZE))
		err(1, "dir/data");
	close(fd);
	text_xattr("dir/data", "trusted.overlay.metacopy", "");
	text_xattr("dir/data", "trusted.overlay.redirect", "/ab/cdef");
	put_default_time("dir/data");
	file("inline", 0600, 4, 44);
	owner("inline", 1000, 1000);
	slink("link", "dir/data");
	put_default_time("dir");
	put_default_time(".");
}

/* ------------------------------------------------------- data of all kinds */

/*
 * What codecs, clusters and the ways of storing tails tell apart: text, noise,
 * runs, and mixtures of them finer and coarser than a pcluster. Times have full
 * seconds, which inodes of every form can hold.
 */
struct mill {
	uint64_t seed, nr;	/* as pattern_word(), but of all bits */
};

static uint64_t mill_word(struct mill *m)
{
	uint64_t x = (m->seed * 0x9e3779b97f4a7c15ULL) ^ ++m->nr;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static void mill_noise(struct mill *m, unsigned char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = mill_word(m) >> 24;
}

/* Words of a small vocabulary, the short ones most often, with some numbers */
static void mill_text(struct mill *m, unsigned char *p, size_t len)
{
	char word[32];
	size_t i, n;

	for (i = 0; i < len; i += n) {
		uint64_t w = mill_word(m), k = (w & 0xff) * (w >> 8 & 0xff) >> 7;

		if (k % 16 == 5)
			n = sprintf(word, "%llu\n",
				    (unsigned long long)(w >> 20 & 0xffff));
		else
			n = sprintf(word, "%.*s%llx ", (int)(k % 7), "struct",
				    (unsigned long long)k);
		if (n > len - i)
			n = len - i;
		memcpy(p + i, word, n);
	}
}

/* Runs of text, noise, zeros and one byte, of up to 40000 bytes each */
static void mill_runs(struct mill *m, unsigned char *p, size_t len)
{
	size_t i, n;

	for (i = 0; i < len; i += n) {
		n = mill_word(m) % 40000 + 1;
		if (n > len - i)
			n = len - i;
		switch (mill_word(m) % 4) {
		case 0:
			mill_noise(m, p + i, n);
			break;
		case 1:
			memset(p + i, 0, n);
			break;
		case 2:
			memset(p + i, 'a' + mill_word(m) % 26, n);
			break;
		default:
			mill_text(m, p + i, n);
		}
	}
}

/* A little text between noise: shrinks by a bit, but never not at all */
static void mill_dense(struct mill *m, unsigned char *p, size_t len)
{
	size_t i, n;

	for (i = 0; i < len; i += n) {
		n = i / 48 % 4 ? 144 : 48;
		if (n > len - i)
			n = len - i;
		if (n == 48)
			mill_text(m, p + i, n);
		else
			mill_noise(m, p + i, n);
	}
}

typedef void (*mill_fn)(struct mill *m, unsigned char *p, size_t len);

static void data_time(const char *path, unsigned int n)
{
	put_time(path, 1500000000 + n, 0);
}

static void data_bytes(const char *path, const void *p, size_t len)
{
	int fd = create(path, 0644);

	if (write(fd, p, len) != (ssize_t)len)
		err(1, "write %s", path);
	close(fd);
	data_time(path, len);
}

static unsigned char *data_new(mill_fn fn, uint64_t seed, size_t len)
{
	struct mill m = { .seed = seed };
	unsigned char *p = calloc(1, len + 1);

	if (!p)
		errx(1, "no memory");
	fn(&m, p, len);
	return p;
}

static void data_file(const char *path, mill_fn fn, uint64_t seed, size_t len)
{
	unsigned char *p = data_new(fn, seed, len);

	data_bytes(path, p, len);
	free(p);
}

/* The same bytes again at other offsets, alone and between others */
static void data_twice(const unsigned char *text)
{
	unsigned char *p = data_new(mill_noise, 21, 260000);

	data_bytes("again", text + 100001, 300000);
	memcpy(p + 777, text + 50000, 200000);
	data_bytes("between", p, 260000);
	data_bytes("copy", text + 4096, 65536);
	free(p);
}

static void data_sparse(const unsigned char *text)
{
	int fd = create("sparse", 0644);

	if (ftruncate(fd, 500000) || pwrite(fd, text, 70000, 0) != 70000 ||
	    pwrite(fd, text, 5000, 300000) != 5000 ||
	    pwrite(fd, text, 20000, 480000) != 20000)
		err(1, "sparse");
	close(fd);
	data_time("sparse", 0);
}

/* Files that end around the borders of blocks, of pages and of pclusters */
static void data_tails(void)
{
	static const unsigned int size[] = {
		0, 1, 2, 511, 512, 513, 2048, 4095, 4096, 4097, 8191, 8193,
		12345, 16383, 16384, 16385, 40000, 65535, 65536, 65537,
	};
	char path[64];
	unsigned int i;

	dir("tails", 0755);
	for (i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		snprintf(path, sizeof(path), "tails/%u", size[i]);
		data_file(path, i % 3 ? mill_text : mill_dense, 100 + i, size[i]);
	}
	data_time("tails", 1);
	dir("few", 0755);
	for (i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "few/%u", i);
		data_file(path, i % 4 ? mill_text : mill_noise, 200 + i,
			  i * i * 2);
	}
	data_time("few", 2);
}

/* Directories of several blocks, and a target that takes most of one */
static void data_names(void)
{
	char target[3001], path[300];
	unsigned int i;

	for (i = 0; i + 1 < sizeof(target); i++)
		target[i] = i % 12 == 11 ? '/' : 'a' + i / 12 % 26;
	target[i] = 0;
	slink("link", target);
	data_time("link", 3);
	dir("names", 0755);
	for (i = 0; i < 250; i++) {
		snprintf(path, sizeof(path), "names/%u-%.*s", i * 7919 % 1000,
			 (int)(i % 60), "a-name-of-many-words-that-come-again-"
			 "and-again-in-each-one-of-them");
		data_bytes(path, path, i % 3 ? 0 : strlen(path));
	}
	data_time("names", 4);
}

/* What is dense has to take more than one of the largest pclusters */
static void make_codec(void)
{
	unsigned char *text = data_new(mill_text, 20, 600001);

	data_bytes("text", text, 600001);
	data_file("dense", mill_dense, 22, 1350000);
	data_file("runs", mill_runs, 23, 600000);
	data_file("noise", mill_noise, 24, 150003);
	data_bytes("zeros", memset(data_new(mill_text, 25, 400000), 0, 400000),
		   400000);
	data_twice(text);
	data_sparse(text);
	free(text);
	data_tails();
	data_names();
	data_time(".", 5);
}

/* ------------------------------------------------- three-device images */

/*
 * Written byte by byte from the description of the format, with no header of
 * the module, so that both cannot be wrong in the same way.
 */
#define DEV3_META	0x20000ULL	/* room before the primary's data */
#define DEV3_CHUNKS	48
#define DEV3_TIME	1700000000

struct dev3 {
	const char *out;
	unsigned int bs, chunk, nr_devs, inos;
	uint64_t dev_size;		/* of each store */
	unsigned char meta[DEV3_META];
	size_t used;			/* next free byte of meta */
};

struct dev3_file {
	const char *name;
	/* Device and chunk number within its data area, for chunk k */
	void (*place)(unsigned int k, unsigned int *dev, unsigned int *nr);
	uint64_t nid;
};

static void place_alt(unsigned int k, unsigned int *dev, unsigned int *nr)
{
	*dev = 1 + k % 2;
	*nr = k;
}

static void place_three(unsigned int k, unsigned int *dev, unsigned int *nr)
{
	*dev = k % 3;
	*nr = k;
}

static void place_pairs(unsigned int k, unsigned int *dev, unsigned int *nr)
{
	*dev = 2 - k / 2 % 2;
	*nr = k;
}

static void place_reverse(unsigned int k, unsigned int *dev, unsigned int *nr)
{
	*dev = 1 + k % 2;
	*nr = DEV3_CHUNKS - 1 - k;
}

static void place_same(unsigned int k, unsigned int *dev, unsigned int *nr)
{
	*dev = 1 + k % 2;
	*nr = k / 2;
}

static void place_first(unsigned int k, unsigned int *dev, unsigned int *nr)
{
	*dev = 1;
	*nr = k;
}

static void place_second(unsigned int k, unsigned int *dev, unsigned int *nr)
{
	*dev = 2;
	*nr = k;
}

/* In the order of names, as the directory must be */
static struct dev3_file dev3_files[] = {
	{ .name = "alt", .place = place_alt },
	{ .name = "first", .place = place_first },	/* flat */
	{ .name = "pairs", .place = place_pairs },
	{ .name = "reverse", .place = place_reverse },
	{ .name = "same", .place = place_same },
	{ .name = "second", .place = place_second },	/* flat */
	{ .name = "three", .place = place_three },
};

#define DEV3_NR_FILES (sizeof(dev3_files) / sizeof(dev3_files[0]))

static uint64_t dev3_pos(const struct dev3 *d, unsigned int nr)
{
	return DEV3_META + (uint64_t)nr * d->chunk;
}

static bool dev3_flat(const struct dev3_file *f)
{
	return f->place == place_first || f->place == place_second;
}

static void dev3_super(struct dev3 *d)
{
	unsigned char *sb = d->meta + 1024;
	uint32_t blocks = d->dev_size / d->bs;
	unsigned int i, bits = 0;

	while ((1U << bits) < d->bs)
		bits++;
	put_le32(sb, 0xE0F5E1E2);
	put_le32(sb + 8, 2);			/* MTIME */
	sb[12] = bits;
	put_le64(sb + 16, d->inos);
	put_le64(sb + 24, DEV3_TIME);
	put_le32(sb + 36, blocks);
	memcpy(sb + 64, "many devices", 12);
	put_le32(sb + 80, 0x0c);		/* CHUNKED_FILE, DEVICE_TABLE */
	put_le16(sb + 86, d->nr_devs);
	put_le16(sb + 88, 1280 / 128);
	for (i = 0; i < d->nr_devs; i++) {
		unsigned char *slot = d->meta + 1280 + 128 * i;

		snprintf((char *)slot, 64, "device-%u", i + 1);
		put_le32(slot + 64, blocks);
		put_le32(slot + 68, blocks * (i + 1));
	}
	d->used = 1280 + 128 * d->nr_devs;
}

static unsigned char *dev3_inode(struct dev3 *d, unsigned int layout,
				 mode_t mode, uint64_t size, uint64_t *nid)
{
	unsigned char *p;

	d->used = (d->used + 31) / 32 * 32;
	p = d->meta + d->used;
	*nid = d->used / 32;
	put_le16(p, 1 | layout << 1);
	put_le16(p + 4, mode);
	put_le64(p + 8, size);
	put_le32(p + 20, 1 + *nid);
	put_le64(p + 32, DEV3_TIME);
	put_le32(p + 44, S_ISDIR(mode) ? 2 : 1);
	d->used += 64;
	return p;
}

static void dev3_chunk_file(struct dev3 *d, struct dev3_file *f,
			    unsigned int chunks)
{
	unsigned int k, dev, nr, bits = 0;
	unsigned char *inode;

	while (d->bs << bits < d->chunk)
		bits++;
	inode = dev3_inode(d, 4, S_IFREG | 0644, (uint64_t)chunks * d->chunk,
			   &f->nid);
	put_le16(inode + 16, 0x20 | bits);	/* INDEXES */
	for (k = 0; k < chunks; k++) {
		unsigned char *p = d->meta + d->used + 8 * k;

		f->place(k, &dev, &nr);
		/* Ids are masked with a power of 2; above it, bits are reserved */
		put_le16(p + 2, dev | (k % 5 ? 0 : 0x400));
		put_le32(p + 4, dev3_pos(d, nr) / d->bs);
	}
	d->used += 8 * chunks;
}

static void dev3_flat_file(struct dev3 *d, struct dev3_file *f)
{
	unsigned int dev, nr;
	unsigned char *inode;

	inode = dev3_inode(d, 0, S_IFREG | 0644,
			   (uint64_t)DEV3_CHUNKS * d->chunk, &f->nid);
	f->place(0, &dev, &nr);
	put_le32(inode + 16, (dev * d->dev_size + dev3_pos(d, nr)) / d->bs);
}

static void dev3_dirent(unsigned char *block, unsigned int i, uint64_t nid,
			size_t *nameoff, unsigned int type, const char *name)
{
	put_le64(block + 12 * i, nid);
	put_le16(block + 12 * i + 8, *nameoff);
	block[12 * i + 10] = type;
	memcpy(block + *nameoff, name, strlen(name));
	*nameoff += strlen(name);
}

/* In a block of its own, since the nids of the files are known only now */
static void dev3_root(struct dev3 *d, const struct dev3_file *files,
		      unsigned int nr_files)
{
	size_t nameoff = 12 * (2 + nr_files);
	unsigned char *block, *inode;
	uint64_t nid;
	unsigned int i;

	d->used = (d->used + d->bs - 1) / d->bs * d->bs;
	block = d->meta + d->used;
	d->used += d->bs;
	inode = dev3_inode(d, 0, S_IFDIR | 0755, 0, &nid);
	put_le32(inode + 16, (block - d->meta) / d->bs);
	dev3_dirent(block, 0, nid, &nameoff, 2, ".");
	dev3_dirent(block, 1, nid, &nameoff, 2, "..");
	for (i = 0; i < nr_files; i++)
		dev3_dirent(block, 2 + i, files[i].nid, &nameoff, 1,
			    files[i].name);
	put_le64(inode + 8, nameoff);
	put_le16(d->meta + 1024 + 14, nid);
	if (nameoff > d->bs || d->used > DEV3_META)
		errx(1, "three-device metadata does not fit");
}

static int dev3_open(const struct dev3 *d, const char *suffix)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s%s", d->out, suffix);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static void dev3_store(const struct dev3 *d, unsigned int dev,
		       const char *suffix)
{
	int fd = dev3_open(d, suffix);

	put_pattern(fd, PATTERN_DEV_SEED(dev), 0, d->dev_size);
	if (!dev && pwrite(fd, d->meta, DEV3_META, 0) != DEV3_META)
		err(1, "%s%s", d->out, suffix);
	close(fd);
}

static void dev3_expect(const struct dev3 *d, const struct dev3_file *f,
			unsigned int chunks)
{
	unsigned char *buf = malloc(d->chunk);
	int fd = create(f->name, 0644);
	unsigned int k, dev, nr;

	for (k = 0; buf && k < chunks; k++) {
		f->place(k, &dev, &nr);
		pattern_fill(buf, d->chunk, PATTERN_DEV_SEED(dev),
			     dev3_pos(d, nr));
		if (write(fd, buf, d->chunk) != (ssize_t)d->chunk)
			err(1, "%s", f->name);
	}
	close(fd);
	put_time(f->name, DEV3_TIME, 0);
	free(buf);
}

static void dev3_begin_tree(const struct dev3 *d)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s.tree", d->out);
	if (mkdir(path, 0755))
		err(1, "%s", path);
	root = open(path, O_RDONLY | O_DIRECTORY);
	if (root < 0)
		err(1, "%s", path);
}

static void make_dev3(const char *out, unsigned int bs, unsigned int chunk)
{
	static struct dev3 d;
	unsigned int i;

	if (bs < 512 || chunk < bs || chunk % bs)
		errx(1, "bad block or chunk size");
	d.out = out;
	d.bs = bs;
	d.chunk = chunk;
	d.nr_devs = 2;
	d.inos = 1 + DEV3_NR_FILES;
	d.dev_size = DEV3_META + (uint64_t)DEV3_CHUNKS * chunk;
	dev3_super(&d);
	for (i = 0; i < DEV3_NR_FILES; i++) {
		if (dev3_flat(&dev3_files[i]))
			dev3_flat_file(&d, &dev3_files[i]);
		else
			dev3_chunk_file(&d, &dev3_files[i], DEV3_CHUNKS);
	}
	dev3_root(&d, dev3_files, DEV3_NR_FILES);
	dev3_store(&d, 0, ".img");
	dev3_store(&d, 1, ".dev1");
	dev3_store(&d, 2, ".dev2");
	dev3_begin_tree(&d);
	for (i = 0; i < DEV3_NR_FILES; i++)
		dev3_expect(&d, &dev3_files[i], DEV3_CHUNKS);
	put_time(".", DEV3_TIME, 0);
}

static void place_each(unsigned int k, unsigned int *dev, unsigned int *nr)
{
	*dev = 1 + k;
	*nr = 0;
}

static void make_many(const char *out, unsigned int nr_devs)
{
	static struct dev3 d;
	struct dev3_file f = { .name = "all", .place = place_each };
	char suffix[32], path[4096];
	unsigned int i;

	if (nr_devs < 1 || nr_devs > 500)
		errx(1, "bad number of devices");
	d.out = out;
	d.bs = 4096;
	d.chunk = 4096;
	d.nr_devs = nr_devs;
	d.inos = 2;
	d.dev_size = DEV3_META + d.chunk;
	dev3_super(&d);
	dev3_chunk_file(&d, &f, nr_devs);
	dev3_root(&d, &f, 1);
	dev3_store(&d, 0, ".img");
	snprintf(path, sizeof(path), "%s.dev", out);
	if (mkdir(path, 0755))
		err(1, "%s", path);
	for (i = 0; i < nr_devs; i++) {
		snprintf(suffix, sizeof(suffix), ".dev/%03u", i);
		dev3_store(&d, i + 1, suffix);
	}
	dev3_begin_tree(&d);
	dev3_expect(&d, &f, nr_devs);
	put_time(".", DEV3_TIME, 0);
}

static void usage(void)
{
	errx(2, "usage: mktree small|old|narrow|compact|full|xattr|codec|"
	     "composefs DIR | "
	     "dev3 OUT BS CHUNK | many OUT N");
}

int main(int argc, char **argv)
{
	umask(0);
	if (argc == 5 && !strcmp(argv[1], "dev3")) {
		make_dev3(argv[2], atoi(argv[3]), atoi(argv[4]));
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "many")) {
		make_many(argv[2], atoi(argv[3]));
		return 0;
	}
	if (argc != 3)
		usage();
	if (mkdir(argv[2], 0755))
		err(1, "mkdir %s", argv[2]);
	root = open(argv[2], O_RDONLY | O_DIRECTORY);
	if (root < 0)
		err(1, "open %s", argv[2]);
	if (!strcmp(argv[1], "small"))
		make_small(0);
	else if (!strcmp(argv[1], "old"))
		make_small(NAMES_OF_254 | WITH_WHITEOUT);
	else if (!strcmp(argv[1], "narrow"))
		make_small(TIMES_OF_32_BITS);
	else if (!strcmp(argv[1], "compact"))
		make_small(NAMES_OF_254 | IDS_OF_16_BITS);
	else if (!strcmp(argv[1], "full"))
		make_full();
	else if (!strcmp(argv[1], "codec"))
		make_codec();
	else if (!strcmp(argv[1], "composefs"))
		make_composefs();
	else if (!strcmp(argv[1], "xattr"))
		make_xattr(argv[2]);
	else
		usage();
	return 0;
}

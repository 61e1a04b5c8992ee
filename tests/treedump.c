// SPDX-License-Identifier: GPL-2.0
/*
 * treedump: print everything a filesystem says about a tree, one line per
 * entry, in an order that depends on nothing but names. Two trees are equal
 * exactly when their dumps are, so "diff" is the comparison of every file, mode,
 * owner, time, link, xattr and byte; the same program runs on the source tree
 * and on the mount.
 *
 *	treedump [-x] [-s] [-i LETTERS] DIR
 *
 *	-x	print xattrs too
 *	-s	print a summary of what was seen on stderr
 *	-i	leave out what a source cannot have, by letter: t mtime, n nlink
 *		and hard links, u owners, m mode bits, c content,
 *		l sub-second part of mtime
 *
 * Line: path type mode uid:gid mtime nlink size value [xattr=hex ...], the path
 * from "." on. The size of a directory is the filesystem's own business and is
 * not printed, nor is the link count of a directory where it is 1 (that is, not
 * counted). "value" is a hash of the content, the target of a symlink or
 * major:minor. The second and later names of a hard-linked file end in
 * "same=<first name>". Whatever cannot be read is an "error=" in its place, and
 * makes the exit code 1.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define READ_SIZE	(256 * 1024)

struct entry {
	char *name;
	unsigned char type;
};

/* First name of each file that has more than one. */
struct link {
	struct link *next;
	dev_t dev;
	ino_t ino;
	char *path;
};

static struct {
	unsigned long files, dirs, symlinks, special, xattrs, hardlinks, errors;
	unsigned long long bytes;
} sum;

static struct link *links[4096];
static bool ignore[256], with_xattrs;
static char *path;		/* path of the current entry, escaped */
static size_t path_len, path_size;
static unsigned char *buf;

static void die(const char *what)
{
	fprintf(stderr, "treedump: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void *xrealloc(void *p, size_t size)
{
	p = realloc(p, size);
	if (!p)
		die("out of memory");
	return p;
}

static bool plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '\\' && c != '=';
}

/* Names are bytes; keep lines and columns intact whatever is in them. */
static void print_escaped(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = s[i];

		if (plain(c))
			putchar(c);
		else
			printf("\\%03o", c);
	}
}

static void path_push(const char *name)
{
	size_t need = path_len + 4 * strlen(name) + 2;

	if (need > path_size) {
		path_size = need * 2;
		path = xrealloc(path, path_size);
	}
	path[path_len++] = '/';
	for (; *name; name++) {
		unsigned char c = *name;

		if (plain(c))
			path[path_len++] = c;
		else
			path_len += sprintf(path + path_len, "\\%03o", c);
	}
	path[path_len] = '\0';
}

static void print_error(const char *what, int err)
{
	printf(" error=%s:%d", what, err);
	sum.errors++;
}

/* 64-bit words, order-sensitive; only differences between trees matter. */
static uint64_t hash_block(uint64_t h, const unsigned char *p, size_t len)
{
	uint64_t w;

	for (; len >= sizeof(w); p += sizeof(w), len -= sizeof(w)) {
		memcpy(&w, p, sizeof(w));
		h = ((h << 23 | h >> 41) ^ w) * 0x9e3779b97f4a7c15ULL;
	}
	if (len) {
		w = 0;
		memcpy(&w, p, len);
		h = ((h << 23 | h >> 41) ^ w) * 0x9e3779b97f4a7c15ULL;
	}
	return h;
}

/* Full buffers only, so that the hash does not depend on how reads are cut. */
static ssize_t read_full(int fd, unsigned char *p, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, p + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (!n)
			break;
		done += n;
	}
	return done;
}

static void print_content(int dirfd, const char *name)
{
	uint64_t h = 0x243f6a8885a308d3ULL, total = 0;
	ssize_t n;
	int fd;

	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		print_error("open", errno);
		return;
	}
	while ((n = read_full(fd, buf, READ_SIZE)) > 0) {
		h = hash_block(h, buf, n);
		total += n;
		if (n < READ_SIZE)
			break;
	}
	if (n < 0) {
		print_error("read", errno);
	} else {
		/* The bytes that were really there, not what stat says. */
		h = (h ^ total) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 29;
		printf(" %016llx:%llu", (unsigned long long)h,
		       (unsigned long long)total);
		sum.bytes += total;
	}
	close(fd);
}

static void print_target(int dirfd, const char *name, off_t size)
{
	char target[PATH_MAX + 1];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target));

	if (n < 0) {
		print_error("readlink", errno);
		return;
	}
	printf(" ->");
	print_escaped(target, n);
	if (n != size)
		print_error("linksize", 0);
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The working directory is the parent: no length limit on paths that way. */
static void print_xattrs(const char *name)
{
	char *list = NULL, **names = NULL, *value = NULL, *p;
	size_t count = 0;
	ssize_t len, n;

	len = llistxattr(name, NULL, 0);
	if (len > 0) {
		list = xrealloc(NULL, len);
		len = llistxattr(name, list, len);
	}
	if (len < 0) {
		if (errno != EOPNOTSUPP)
			print_error("listxattr", errno);
		goto out;
	}
	for (p = list; p < list + len; p += strlen(p) + 1) {
		names = xrealloc(names, (count + 1) * sizeof(*names));
		names[count++] = p;
	}
	if (count)
		qsort(names, count, sizeof(*names), compare_strings);
	for (size_t i = 0; i < count; i++) {
		putchar(' ');
		print_escaped(names[i], strlen(names[i]));
		putchar('=');
		n = lgetxattr(name, names[i], NULL, 0);
		if (n > 0) {
			value = xrealloc(value, n);
			n = lgetxattr(name, names[i], value, n);
		}
		if (n < 0) {
			print_error("getxattr", errno);
			continue;
		}
		for (ssize_t k = 0; k < n; k++)
			printf("%02x", (unsigned char)value[k]);
		sum.xattrs++;
	}
out:
	free(value);
	free(names);
	free(list);
}

/* The second and later names of a file refer to its first. */
static void print_same(const struct stat *st)
{
	struct link **head = &links[st->st_ino % 4096], *l;

	for (l = *head; l; l = l->next) {
		if (l->ino == st->st_ino && l->dev == st->st_dev) {
			printf(" same=%s", l->path);
			sum.hardlinks++;
			return;
		}
	}
	l = xrealloc(NULL, sizeof(*l));
	l->ino = st->st_ino;
	l->dev = st->st_dev;
	l->path = strdup(path);
	if (!l->path)
		die("out of memory");
	l->next = *head;
	*head = l;
}

static char type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return 'f';
	case S_IFDIR: return 'd';
	case S_IFLNK: return 'l';
	case S_IFCHR: return 'c';
	case S_IFBLK: return 'b';
	case S_IFIFO: return 'p';
	case S_IFSOCK: return 's';
	}
	return '?';
}

static void print_stat(const struct stat *st)
{
	printf(" %c", type_letter(st->st_mode));
	if (!ignore['m'])
		printf(" %04o", st->st_mode & 07777);
	if (!ignore['u'])
		printf(" %u:%u", st->st_uid, st->st_gid);
	if (!ignore['t']) {
		printf(" %lld", (long long)st->st_mtim.tv_sec);
		if (!ignore['l'])
			printf(".%09ld", st->st_mtim.tv_nsec);
	}
	if (!ignore['n'] && (!S_ISDIR(st->st_mode) || st->st_nlink > 1))
		printf(" n%lu", (unsigned long)st->st_nlink);
	if (!S_ISDIR(st->st_mode))
		printf(" %lld", (long long)st->st_size);
}

static void print_entry(int dirfd, const char *name, unsigned char dtype,
			const struct stat *st)
{
	fputs(path, stdout);
	print_stat(st);
	/* readdir and stat must agree on what the entry is. */
	if (dtype != DT_UNKNOWN && dtype != IFTODT(st->st_mode))
		print_error("d_type", dtype);
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		sum.files++;
		if (!ignore['c'])
			print_content(dirfd, name);
		break;
	case S_IFLNK:
		sum.symlinks++;
		print_target(dirfd, name, st->st_size);
		break;
	case S_IFDIR:
		sum.dirs++;
		break;
	case S_IFCHR:
	case S_IFBLK:
		printf(" %u:%u", major(st->st_rdev), minor(st->st_rdev));
		/* fall through */
	default:
		sum.special++;
		break;
	}
	if (with_xattrs)
		print_xattrs(name);
	if (!ignore['n'] && !S_ISDIR(st->st_mode) && st->st_nlink > 1)
		print_same(st);
	putchar('\n');
}

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name,
		      ((const struct entry *)b)->name);
}

/* Takes the fd. Leaves the working directory anywhere. */
static void walk(int fd, dev_t dev)
{
	struct entry *ents = NULL;
	size_t count = 0, size = 0, len = path_len;
	struct dirent *de;
	DIR *dir = fdopendir(fd);

	if (!dir)
		die("fdopendir");
	while (errno = 0, (de = readdir(dir))) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (count == size) {
			size = size ? size * 2 : 64;
			ents = xrealloc(ents, size * sizeof(*ents));
		}
		ents[count].type = de->d_type;
		ents[count].name = strdup(de->d_name);
		if (!ents[count++].name)
			die("out of memory");
	}
	if (errno) {
		fputs(path, stdout);
		print_error("readdir", errno);
		putchar('\n');
	}
	if (count)
		qsort(ents, count, sizeof(*ents), compare_entries);

	for (size_t i = 0; i < count; i++) {
		const char *name = ents[i].name;
		struct stat st;
		int sub;

		path_push(name);
		if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW)) {
			fputs(path, stdout);
			print_error("stat", errno);
			putchar('\n');
			goto next;
		}
		if (fchdir(fd))
			die("fchdir");
		print_entry(fd, name, ents[i].type, &st);
		if (!S_ISDIR(st.st_mode) || st.st_dev != dev)
			goto next;
		sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
			     O_CLOEXEC);
		if (sub < 0) {
			fputs(path, stdout);
			print_error("opendir", errno);
			putchar('\n');
			goto next;
		}
		walk(sub, dev);
next:
		path_len = len;
		path[len] = '\0';
		free(ents[i].name);
	}
	free(ents);
	closedir(dir);
}

static void print_summary(void)
{
	fprintf(stderr, "files=%lu dirs=%lu symlinks=%lu special=%lu ",
		sum.files, sum.dirs, sum.symlinks, sum.special);
	fprintf(stderr, "hardlinks=%lu xattrs=%lu bytes=%llu errors=%lu\n",
		sum.hardlinks, sum.xattrs, sum.bytes, sum.errors);
}

int main(int argc, char **argv)
{
	bool summary = false;
	struct stat st;
	int opt, fd;

	while ((opt = getopt(argc, argv, "xsi:")) != -1) {
		switch (opt) {
		case 'x':
			with_xattrs = true;
			break;
		case 's':
			summary = true;
			break;
		case 'i':
			for (const char *p = optarg; *p; p++)
				ignore[(unsigned char)*p] = true;
			break;
		default:
			goto usage;
		}
	}
	if (optind + 1 != argc)
		goto usage;

	path_size = 4096;
	path = xrealloc(NULL, path_size);
	path_len = sprintf(path, ".");
	buf = xrealloc(NULL, READ_SIZE);
	fd = open(argv[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || fchdir(fd))
		die(argv[optind]);
	print_entry(fd, ".", DT_UNKNOWN, &st);
	walk(fd, st.st_dev);
	if (fflush(stdout) || ferror(stdout))
		die("stdout");
	if (summary)
		print_summary();
	return sum.errors ? 1 : 0;
usage:
	fprintf(stderr, "usage: treedump [-x] [-s] [-i LETTERS] DIR\n");
	return 2;
}

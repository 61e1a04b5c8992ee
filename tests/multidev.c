// SPDX-License-Identifier: GPL-2.0-only
/*
 * The other-device bug: extents that follow each other in a file, with sector
 * numbers that follow each other, but on different devices. Code that merges
 * requests by sector alone then reads the wrong device. The images dev3-* hold
 * such files; each sector's content names its device, so that a wrong one is
 * not only seen but named. By readahead, by single pages, by faults, directly,
 * and over files, block devices and mixtures of them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib_mount.h"
#include "pattern.h"

static const char * const images[] = {
	"dev3-4096-4096", "dev3-512-4096", "dev3-512-512", "dev3-1024-2048",
};

static const char * const files[] = {
	"alt", "first", "pairs", "reverse", "same", "second", "three",
};

#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN	0x00002000U
#endif

#define CHUNKS		48
#define DATA_AT		0x20000		/* where the stores' data begin */
#define NONE		UINT_MAX

struct transport {
	const char *name;
	enum via primary, dev1, dev2;
};

static const struct transport transports[] = {
	{ "files", VIA_PATH, VIA_PATH, VIA_PATH },
	{ "blocks", VIA_LOOP, VIA_LOOP, VIA_LOOP },
	{ "fds", VIA_FD, VIA_FD, VIA_FD },
	{ "blockfds", VIA_LOOP_FD, VIA_LOOP_FD, VIA_LOOP_FD },
	{ "file+blocks", VIA_PATH, VIA_LOOP, VIA_LOOP },
	{ "block+files", VIA_LOOP, VIA_PATH, VIA_PATH },
	{ "file+block+file", VIA_PATH, VIA_LOOP, VIA_PATH },
	{ "block+file+block", VIA_LOOP, VIA_FD, VIA_LOOP_FD },
};

/* Which device and which chunk of it the k-th chunk of a file is: as mktree.c */
static void place(const char *file, unsigned int k, unsigned int *dev,
		  unsigned int *nr)
{
	*nr = k;
	if (!strcmp(file, "alt")) {
		*dev = 1 + k % 2;
	} else if (!strcmp(file, "first")) {
		*dev = 1;
	} else if (!strcmp(file, "second")) {
		*dev = 2;
	} else if (!strcmp(file, "pairs")) {
		*dev = 2 - k / 2 % 2;
	} else if (!strcmp(file, "reverse")) {
		*dev = 1 + k % 2;
		*nr = CHUNKS - 1 - k;
	} else if (!strcmp(file, "same")) {
		*dev = 1 + k % 2;
		*nr = k / 2;
	} else {
		*dev = k % 3;
	}
}

/* Says whose bytes they are, when they are not those of the right place */
static void explain(const char *sector, unsigned int chunk)
{
	unsigned int dev, nr;

	for (dev = 0; dev < 3; dev++) {
		for (nr = 0; nr < CHUNKS; nr++) {
			if (pattern_check(sector, 512, PATTERN_DEV_SEED(dev),
					  DATA_AT + (uint64_t)nr * chunk) >= 0)
				continue;
			tap_note("these are the bytes of device %u, chunk %u",
				 dev, nr);
			return;
		}
	}
	tap_note("these bytes are on none of the devices");
}

static bool check_bytes(const char *file, unsigned int chunk, const char *buf,
			size_t len, uint64_t off, const char *how)
{
	size_t done = 0;

	while (done < len) {
		unsigned int k = (off + done) / chunk, dev, nr;
		uint64_t in = (off + done) % chunk;
		size_t n = chunk - in < len - done ? chunk - in : len - done;

		place(file, k, &dev, &nr);
		if (!CHECK(pattern_check(buf + done, n, PATTERN_DEV_SEED(dev),
					 DATA_AT + (uint64_t)nr * chunk + in) < 0,
			   "%s %s: chunk %u is not that of device %u, chunk %u",
			   file, how, k, dev, nr)) {
			if (!in && n >= 512)
				explain(buf + done, chunk);
			return false;
		}
		done += n;
	}
	return true;
}

static void cold(int fd)
{
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* All at once: the readahead window covers many chunks */
static void by_readahead(int fd, const char *file, unsigned int chunk,
			 size_t size, char *buf)
{
	cold(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	readahead(fd, 0, size);
	NEED(pread_full(fd, buf, size, 0) == (ssize_t)size, "read %s", file);
	check_bytes(file, chunk, buf, size, 0, "by readahead");
	cold(fd);
	NEED(pread_full(fd, buf, size, 0) == (ssize_t)size, "read %s", file);
	check_bytes(file, chunk, buf, size, 0, "in one read");
}

/* One page at a time, and none besides */
static void by_pages(int fd, const char *file, unsigned int chunk, size_t size,
		     char *buf)
{
	size_t off;

	cold(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	for (off = size; off; off -= 4096) {
		NEED(pread_full(fd, buf, 4096, off - 4096) == 4096, "read %s",
		     file);
		if (!check_bytes(file, chunk, buf, 4096, off - 4096, "by pages"))
			break;
	}
	posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL);
}

static void by_faults(int fd, const char *file, unsigned int chunk, size_t size)
{
	char *map;

	cold(fd);
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	NEED(map != MAP_FAILED, "mmap: %m");
	check_bytes(file, chunk, map + size / 2, size / 2, size / 2, "mapped");
	check_bytes(file, chunk, map, size, 0, "mapped");
	munmap(map, size);
}

/* Odd pieces that begin and end within sectors */
static void by_pieces(int fd, const char *file, unsigned int chunk, size_t size,
		      char *buf)
{
	size_t off, len = 1;

	cold(fd);
	for (off = 0; off < size; off += len) {
		len = (len * 7 + 3) % 9000 + 1;
		if (off + len > size)
			len = size - off;
		NEED(pread_full(fd, buf, len, off) == (ssize_t)len, "read %s",
		     file);
		if (!check_bytes(file, chunk, buf, len, off, "in pieces"))
			break;
	}
}

static void directly(const char *path, const char *file, unsigned int chunk,
		     size_t size, char *buf)
{
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		return;
	if (pread_full(fd, buf, size, 0) == (ssize_t)size)
		check_bytes(file, chunk, buf, size, 0, "directly");
	else
		CHECK(errno == EINVAL, "direct read of %s: %m", file);
	close(fd);
}

/*
 * Which device an extent is on, FIEMAP has no field for: the address is that on
 * its own device, and no extent runs on from one to the next. In a flattened
 * image there is one device, and each of the others has a range of it.
 */
static void by_fiemap(int fd, const char *file, unsigned int chunk, size_t size,
		      bool flat)
{
	static struct {
		struct fiemap map;
		struct fiemap_extent extents[CHUNKS + 1];
	} m;
	uint64_t done = 0, dev_size = DATA_AT + (uint64_t)CHUNKS * chunk;
	unsigned int i, k, dev, nr;

	memset(&m, 0, sizeof(m));
	m.map.fm_length = ~0ULL;
	m.map.fm_extent_count = CHUNKS + 1;
	NEED(!ioctl(fd, FS_IOC_FIEMAP, &m.map), "FIEMAP %s: %m", file);
	for (i = 0; i < m.map.fm_mapped_extents; i++) {
		const struct fiemap_extent *e = &m.map.fm_extents[i];
		unsigned int first = NONE;

		NEED(e->fe_logical == done && e->fe_length,
		     "%s: extent %u at %llu, not %llu", file, i,
		     (unsigned long long)e->fe_logical,
		     (unsigned long long)done);
		for (; done < e->fe_logical + e->fe_length; done += chunk) {
			uint64_t want;

			k = done / chunk;
			place(file, k, &dev, &nr);
			if (first == NONE)
				first = dev;
			want = DATA_AT + (uint64_t)nr * chunk +
			       (flat ? dev * dev_size : 0);
			CHECK(first == dev, "%s: one extent on two devices",
			      file);
			NEED(e->fe_physical + done - e->fe_logical == want,
			     "%s: chunk %u at %llu, not %llu of device %u",
			     file, k, (unsigned long long)
			     (e->fe_physical + done - e->fe_logical),
			     (unsigned long long)want, dev);
		}
	}
	CHECK(done == size, "%s: %llu bytes mapped", file,
	      (unsigned long long)done);
}

/* ---------------------------------------------------------------- handles */

struct handle {
	unsigned int bytes;
	int type;
	unsigned char data[MAX_HANDLE_SZ];
};

static int open_handle(int mnt, struct handle *h)
{
	return open_by_handle_at(mnt, (struct file_handle *)h,
				 O_RDONLY | O_CLOEXEC);
}

/* A file, or one of the errnos that a handle may give; no bytes of others */
static void forge(int mnt, const struct handle *good)
{
	struct handle h;
	unsigned int i;
	int fd;

	for (i = 0; i < good->bytes * 8; i++) {
		h = *good;
		h.data[i / 8] ^= 1 << i % 8;
		fd = open_handle(mnt, &h);
		if (CHECK(fd >= 0 || errno == ESTALE || errno == EINVAL,
			  "bit %u of a handle: %m", i) && fd >= 0)
			close(fd);
	}
}

/* By handle, with nothing in memory: the bytes of each device again */
static void by_handle(const char *dir, unsigned int chunk, size_t size, char *buf)
{
	struct handle h[ARRAY_SIZE(files)];
	int root = open_need(dir, O_RDONLY | O_DIRECTORY), id, fd;
	char path[4096];
	size_t i;

	memset(h, 0, sizeof(h));
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		h[i].bytes = MAX_HANDLE_SZ;
		NEED(!name_to_handle_at(AT_FDCWD, path,
					(struct file_handle *)&h[i], &id, 0),
		     "handle of %s: %m", files[i]);
	}
	drop_caches();
	for (i = ARRAY_SIZE(files); i-- > 0; ) {
		fd = open_handle(root, &h[i]);
		NEED(fd >= 0, "%s by handle: %m", files[i]);
		NEED(pread_full(fd, buf, size, 0) == (ssize_t)size, "read %s",
		     files[i]);
		check_bytes(files[i], chunk, buf, size, 0, "by handle");
		close(fd);
	}
	forge(root, &h[0]);
	close(root);
}

static void check_image(const char *name, const struct transport *t,
			unsigned int nr)
{
	const struct image *img = image_find(name);
	static char mem[CHUNKS * 4096 + 4096];
	char *buf = (char *)(((uintptr_t)mem + 4095) & ~4095UL);
	unsigned int chunk = atoi(strrchr(name, '-') + 1);
	size_t size = CHUNKS * chunk, i;
	char at[32], path[4096];
	struct source src;
	const char *dir;

	snprintf(at, sizeof(at), "mnt%u", nr);
	dir = new_dir(at);
	image_source(img, t->primary, &src);
	src.dev_via[0] = t->dev1;
	src.dev_via[1] = t->dev2;
	NEED_OK(mount_at(&src, dir), name);
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		fd = open_need(path, O_RDONLY);
		by_readahead(fd, files[i], chunk, size, buf);
		by_pages(fd, files[i], chunk, size, buf);
		by_faults(fd, files[i], chunk, size);
		by_pieces(fd, files[i], chunk, size, buf);
		directly(path, files[i], chunk, size, buf);
		by_fiemap(fd, files[i], chunk, size, false);
		close(fd);
	}
	by_handle(dir, chunk, size, buf);
	CHECK_ERR(do_umount(dir, 0), 0, "umount");
}

static void run_transport(const void *arg)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(images); i++)
		check_image(images[i], arg, i);
}

static void flat_extents(const char *dir, unsigned int chunk)
{
	char path[4096];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		fd = open_need(path, O_RDONLY);
		by_fiemap(fd, files[i], chunk, CHUNKS * chunk, true);
		close(fd);
	}
}

/* The same stores in one file: the sectors are apart, the map is the same */
static void flattened(const void *arg)
{
	static const struct transport one[] = {
		{ "file", VIA_PATH, VIA_PATH, VIA_PATH },
		{ "block", VIA_LOOP, VIA_LOOP, VIA_LOOP },
	};
	char name[64];
	size_t i, k;

	(void)arg;
	for (k = 0; k < ARRAY_SIZE(one); k++) {
		for (i = 0; i < ARRAY_SIZE(images); i++) {
			const struct image *img;
			struct source src;
			const char *dir;
			char at[32];

			snprintf(name, sizeof(name), "%s-flat", images[i]);
			img = image_find(name);
			snprintf(at, sizeof(at), "mnt%zu-%zu", k, i);
			dir = new_dir(at);
			image_source(img, one[k].primary, &src);
			NEED_OK(mount_at(&src, dir), name);
			tree_equals(dir, data_path(img->dump));
			flat_extents(dir, atoi(strrchr(images[i], '-') + 1));
			CHECK_ERR(do_umount(dir, 0), 0, "umount");
		}
	}
}

/* What statx promises of a file, wherever its chunks lie, is read directly */
static void promised(const char *dir, const char *file, unsigned int chunk)
{
	static char mem[CHUNKS * 4096 + 4096];
	char *buf = (char *)(((uintptr_t)mem + 4095) & ~4095UL);
	const size_t size = CHUNKS * chunk;
	struct statx stx = {};
	size_t off, unit;
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	NEED(!syscall(__NR_statx, AT_FDCWD, path, 0, STATX_DIOALIGN, &stx),
	     "statx: %m");
	if (!(stx.stx_mask & STATX_DIOALIGN))
		tap_skip("statx has no DIOALIGN");
	unit = stx.stx_dio_offset_align;
	CHECK(unit == 4096, "%s: a unit of %zu bytes", file, unit);
	CHECK(stx.stx_dio_mem_align && stx.stx_dio_mem_align <= 4096,
	      "%s: memory to %u bytes", file, stx.stx_dio_mem_align);
	fd = open_need(path, O_RDONLY | O_DIRECT);
	for (off = 0; unit && off < size; off += unit)
		NEED(pread(fd, buf + off, unit, off) == (ssize_t)unit,
		     "%s: %zu bytes at %zu: %m", file, unit, off);
	check_bytes(file, chunk, buf, off, 0, "as promised");
	close(fd);
}

/* mount_sectors - three block devices, of which number @large has larger sectors */
static int mount_sectors(const char *image, int large, const char *dir)
{
	char name[3][64];
	struct source src;
	int fd[3], i, err;

	image_source(image_find(image), VIA_PATH, &src);
	for (i = 0; i < 3; i++) {
		fd[i] = loop_open(i ? src.dev[i - 1] : src.path, name[i],
				  sizeof(name[i]));
		NEED_OK(fd[i], "loop device");
		NEED(!ioctl(fd[i], LOOP_SET_BLOCK_SIZE,
			    i == large ? 4096UL : 512UL),
		     "LOOP_SET_BLOCK_SIZE: %m");
	}
	src.path = name[0];
	src.dev[0] = name[1];
	src.dev[1] = name[2];
	err = mount_at(&src, dir);
	/* who is mounted holds them */
	for (i = 0; i < 3; i++)
		close(fd[i]);
	return err;
}

static void sectors(const void *arg)
{
	const char *dir = new_dir("mnt");
	size_t k;

	(void)arg;
	NEED_OK(mount_sectors("dev3-4096-4096", 1, dir), "mount");
	for (k = 0; k < ARRAY_SIZE(files); k++)
		promised(dir, files[k], 4096);
	CHECK_ERR(do_umount(dir, 0), 0, "umount");
}

/* unwritten - a device whose bytes its writer, who has it open, has in memory alone */
static void unwritten(const void *arg)
{
	const int late = *(const int *)arg;
	const char *dir = new_dir("mnt"), *empty = tmp_path("empty");
	const struct image *img = image_find("dev3-4096-4096");
	struct source src;
	char name[3][64];
	int fd[3], i;

	image_source(img, VIA_PATH, &src);
	for (i = 0; i < 3; i++) {
		const char *path = i ? src.dev[i - 1] : src.path;
		size_t len;
		char *data = slurp(path, &len);

		NEED(data, "%s: %m", path);
		if (i == late)
			NEED(!run("truncate -s %zu %s", len, empty), "truncate");
		fd[i] = loop_open_as(i == late ? O_RDWR : O_RDONLY,
				     i == late ? empty : path, name[i],
				     sizeof(name[i]));
		NEED_OK(fd[i], "loop device");
		if (i == late)
			NEED(write(fd[i], data, len) == (ssize_t)len,
			     "write: %m");
		free(data);
	}
	src.path = name[0];
	src.dev[0] = name[1];
	src.dev[1] = name[2];
	NEED_OK(mount_at(&src, dir), "mount");
	tree_equals(dir, data_path(img->dump));
	CHECK_ERR(do_umount(dir, 0), 0, "umount");
	for (i = 0; i < 3; i++)
		close(fd[i]);
}

static const int late_primary = 0, late_extra = 2;

/* A block that is a part of a sector could not be read, on whatever device */
static void sectors_too_large(const void *arg)
{
	const char *dir = new_dir("mnt");
	int large;

	(void)arg;
	for (large = 0; large < 3; large++)
		CHECK_ERR(mount_sectors("dev3-512-512", large, dir), -EINVAL,
			  "sectors of 4096 bytes");
	NEED_OK(mount_sectors("dev3-512-512", -1, dir), "sectors of 512 bytes");
	CHECK_ERR(do_umount(dir, 0), 0, "umount");
}

/* Where one of the stores cannot do it, nothing is promised */
static void undirect(const void *arg)
{
	const char *dir = new_dir("mnt"), *lower = new_dir("lower");
	struct statx stx = {};
	struct source src;

	(void)arg;
	image_source(image_find("dev3-4096-4096"), VIA_LOOP, &src);
	if (do_mount("none", lower, "ramfs", 0, NULL))
		tap_skip("no ramfs");
	copy_file(src.dev[1], below(lower, "dev2"));
	src.dev[1] = below(lower, "dev2");
	src.dev_via[1] = VIA_PATH;
	NEED_OK(mount_at(&src, dir), "mount");
	NEED(!syscall(__NR_statx, AT_FDCWD, below(dir, "alt"), 0,
		      STATX_DIOALIGN, &stx), "statx: %m");
	CHECK(!stx.stx_dio_offset_align && !stx.stx_dio_mem_align,
	      "it promises direct I/O of a device that cannot do that");
	CHECK_ERR(do_umount(dir, 0), 0, "umount");
}

int main(int argc, char **argv)
{
	static const struct tap_case others[] = {
		TAP_CASE(flattened), TAP_CASE(sectors),
		TAP_CASE(sectors_too_large), TAP_CASE(undirect),
		{ .name = "unwritten.primary", .fn = unwritten,
		  .arg = &late_primary },
		{ .name = "unwritten.extra", .fn = unwritten,
		  .arg = &late_extra },
	};
	struct tap_case cases[ARRAY_SIZE(transports) + ARRAY_SIZE(others)];
	size_t i;

	memset(cases, 0, sizeof(cases));
	for (i = 0; i < ARRAY_SIZE(transports); i++) {
		cases[i].name = transports[i].name;
		cases[i].fn = run_transport;
		cases[i].arg = &transports[i];
	}
	memcpy(&cases[i], others, sizeof(others));
	return tap_run("multidev", cases, ARRAY_SIZE(cases), argc, argv);
}

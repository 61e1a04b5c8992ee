// SPDX-License-Identifier: GPL-2.0-only
/*
 * How programs that exist mount an image: each sequence of calls as the named
 * client makes it, and what such clients rely on besides: an empty log after
 * success, a reason after failure, options that are honoured or refused, and
 * the rules of remounting.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib_mount.h"
#include "pattern.h"

/* From <sys/mount.h>, which cannot be included beside <linux/mount.h> */
#define DO_RDONLY	1
#define DO_NOSUID	2
#define DO_NODEV	4
#define DO_REMOUNT	32
#define DO_DIRSYNC	128
#define DO_NOATIME	1024
#define DO_DETACH	2	/* of umount */

#ifndef FSCONFIG_CMD_CREATE_EXCL
#define FSCONFIG_CMD_CREATE_EXCL	8
#endif

#define IMAGE	"default-4096"

static const char *image(void)
{
	return data_path(image_find(IMAGE)->image);
}

static const char *dump(void)
{
	return data_path(image_find(IMAGE)->dump);
}

static int create_logged(int fs, const char *what)
{
	int ret = cfg_create(fs);

	fs_log(fs, last_log, sizeof(last_log));
	NEED_OK(ret, what);
	CHECK(!last_log[0], "%s: log after success: %s", what, last_log);
	return ret;
}

static bool is_readonly(const char *dir)
{
	int fd = open(below(dir, "new"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EROFS;
}

static void umount_ok(const char *dir, int flags)
{
	CHECK_ERR(do_umount(dir, flags), 0, "umount");
}

static void check_owner(const char *path, uid_t uid, gid_t gid)
{
	struct stat st;

	NEED(!lstat(path, &st), "%s: %m", path);
	CHECK(st.st_uid == uid && st.st_gid == gid, "%s: %u:%u, not %u:%u",
	      path, st.st_uid, st.st_gid, uid, gid);
}

/* ----------------------------------------------------------- libcomposefs */

static int composefs_erofs(int image_fd, const char *extra)
{
	char source[64];
	int fs = fs_open("erofs"), mnt;

	NEED_OK(fs, "fsopen");
	snprintf(source, sizeof(source), "/proc/self/fd/%d", image_fd);
	NEED_OK(cfg_flag(fs, "ro"), "ro");
	if (extra)
		NEED_OK(cfg_flag(fs, extra), extra);
	NEED_OK(cfg_str(fs, "source", source), "source");
	create_logged(fs, "create");
	mnt = fs_mount(fs, MOUNT_ATTR_RDONLY);
	NEED_OK(mnt, "fsmount");
	close(fs);
	return mnt;
}

static const char *composefs_objects(void)
{
	const char *dir = new_dir("objects");
	static char data[PATTERN_EXACT_SIZE];
	int fd;

	NEED(!mkdir(below(dir, "ab"), 0755), "mkdir: %m");
	fd = open(below(dir, "ab/cdef"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	pattern_fill(data, sizeof(data), PATTERN_EXACT_SEED, 0);
	NEED(write(fd, data, sizeof(data)) == sizeof(data), "write: %m");
	close(fd);
	return dir;
}

static void check_composefs(const char *dir, unsigned int shift)
{
	file_is_pattern(below(dir, "dir/data"), PATTERN_EXACT_SEED,
			PATTERN_EXACT_SIZE);
	file_is_pattern(below(dir, "link"), PATTERN_EXACT_SEED,
			PATTERN_EXACT_SIZE);
	check_owner(below(dir, "dir/data"), shift, shift);
	check_owner(below(dir, "inline"), shift + 1000, shift + 1000);
}

/* Attaches the image somewhere for a moment, overlays it, lets go of it */
static void libcomposefs_way(const char *flag, unsigned int shift)
{
	const char *objects = composefs_objects(), *mnt = new_dir("mnt");
	const char *tmp = new_dir("tmp");
	char opts[PATH_MAX * 3];
	int fd = open_need(data_path("composefs.img"), O_RDONLY), img;

	if (!have_filesystem("overlay"))
		tap_skip("no overlayfs");
	img = composefs_erofs(fd, flag);
	close(fd);
	if (shift)
		set_idmap(img, shift);
	NEED_OK(attach(img, tmp), "attach");
	close(img);
	/* Data-only layers need 6.5; before it they are plain lower layers */
	snprintf(opts, sizeof(opts),
		 "metacopy=on,redirect_dir=on,lowerdir=%s::%s", tmp, objects);
	if (do_mount("composefs", mnt, "overlay", DO_RDONLY, opts)) {
		snprintf(opts, sizeof(opts),
			 "metacopy=on,redirect_dir=on,lowerdir=%s:%s", tmp,
			 objects);
		NEED_OK(do_mount("composefs", mnt, "overlay", DO_RDONLY, opts),
			"overlay");
	}
	umount_ok(tmp, DO_DETACH);
	NEED(!rmdir(tmp), "rmdir: %m");
	check_composefs(mnt, shift);
	drop_caches();
	check_composefs(mnt, shift);
	umount_ok(mnt, DO_DETACH);
}

static void libcomposefs(const void *arg)
{
	(void)arg;
	libcomposefs_way(NULL, 0);
}

static void libcomposefs_noacl(const void *arg)
{
	(void)arg;
	libcomposefs_way("noacl", 0);
}

static void libcomposefs_idmap(const void *arg)
{
	(void)arg;
	libcomposefs_way("noacl", 200000);
}

/* ---------------------------------------------------------- composefs-rs */

/* By descriptor where overlayfs takes one, by the descriptor's path if not */
static int add_layer(int ovl, const char *key, int fd)
{
	char path[64];

	if (!cfg_fd(ovl, key, fd))
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return cfg_str(ovl, key, path);
}

static int open_overlay(void)
{
	int ovl = fs_open("overlay");

	NEED_OK(ovl, "fsopen overlay");
	NEED_OK(cfg_str(ovl, "source", "composefs"), "source");
	NEED_OK(cfg_str(ovl, "metacopy", "on"), "metacopy");
	NEED_OK(cfg_str(ovl, "redirect_dir", "on"), "redirect_dir");
	return ovl;
}

/* The mount of a context whose layers were taken with ret, or what went wrong */
static int close_overlay(int ovl, int ret)
{
	int mnt;

	if (!ret)
		ret = cfg_create(ovl);
	mnt = ret ? ret : fs_mount(ovl, 0);
	fs_log(ovl, last_log, sizeof(last_log));
	close(ovl);
	return mnt;
}

static int overlay_of(int img, int objects)
{
	int ovl = open_overlay();
	int ret = add_layer(ovl, "lowerdir+", img);

	if (!ret)
		ret = add_layer(ovl, "datadir+", objects);
	return close_overlay(ovl, ret);
}

/* The same for kernels whose overlayfs knows neither lowerdir+ nor data layers */
static int overlay_of_paths(int img, int objects)
{
	char lower[128];
	int ovl = open_overlay();

	snprintf(lower, sizeof(lower), "/proc/self/fd/%d:/proc/self/fd/%d", img,
		 objects);
	return close_overlay(ovl, cfg_str(ovl, "lowerdir", lower));
}

static void composefs_rs(const void *arg)
{
	int fd = open_need(data_path("composefs.img"), O_RDONLY);
	int objects = open_need(composefs_objects(), O_RDONLY | O_DIRECTORY);
	const char *mnt = new_dir("mnt"), *tmp = new_dir("tmp");
	int img = composefs_erofs(fd, NULL), ovl;

	(void)arg;
	if (!have_filesystem("overlay"))
		tap_skip("no overlayfs");
	close(fd);
	ovl = overlay_of(img, objects);
	if (ovl < 0) {
		/* Before 6.15 a layer must be attached somewhere in our tree */
		NEED_OK(attach(img, tmp), "attach");
		ovl = overlay_of(img, objects);
		if (ovl < 0)
			ovl = overlay_of_paths(img, objects);
		NEED_OK(ovl, "overlay");
		umount_ok(tmp, DO_DETACH);
	}
	/* From here on the overlay alone holds all of it */
	close(img);
	close(objects);
	NEED_OK(attach(ovl, mnt), "attach overlay");
	close(ovl);
	check_composefs(mnt, 0);
	drop_caches();
	check_composefs(mnt, 0);
	umount_ok(mnt, 0);
}

/* ----------------------------------------------------- containers/storage */

/* Remembers for the rest of its life that files cannot be mounted */
static bool files_do_not_work;

static int storage_mount(const char *path, const char *target)
{
	char loop[64];
	int fs, ret, mnt, hold = -1;
	const char *source = path;

	for (;;) {
		if (files_do_not_work) {
			hold = loop_open(path, loop, sizeof(loop));
			NEED_OK(hold, "loop device");
			source = loop;
		}
		fs = fs_open("erofs");
		NEED_OK(fs, "fsopen");
		ret = cfg_str(fs, "source", source);
		if (!ret)
			ret = cfg_flag(fs, "ro");
		if (!ret)
			ret = cfg_create(fs);
		if (ret != -ENOTBLK || files_do_not_work)
			break;
		files_do_not_work = true;
		close(fs);
	}
	mnt = ret ? ret : fs_mount(fs, MOUNT_ATTR_RDONLY);
	fs_log(fs, last_log, sizeof(last_log));
	close(fs);
	if (hold >= 0)
		close(hold);
	if (mnt < 0)
		return mnt;
	ret = attach(mnt, target);
	close(mnt);
	return ret;
}

static void containers_storage(const void *arg)
{
	const char *mnt = new_dir("mnt"), *bad = tmp_path("bad.img");
	int loops = loop_count();

	(void)arg;
	NEED(!run("cp %s %s && printf x | dd of=%s bs=1 seek=1100 "
		  "conv=notrunc status=none", image(), bad, bad), "bad.img");
	CHECK(storage_mount(bad, mnt) < 0, "a damaged image mounts");
	CHECK(!files_do_not_work, "a damaged image turned files off");
	NEED(!run("head -c 8192 /dev/zero > %s", bad), "bad.img");
	CHECK(storage_mount(bad, mnt) < 0, "zeros mount");
	CHECK(!files_do_not_work, "a foreign file turned files off");
	NEED_OK(storage_mount(image(), mnt), "mount");
	CHECK(!files_do_not_work && loop_count() == loops,
	      "a plain file went by a loop device");
	tree_equals(mnt, dump());
	umount_ok(mnt, 0);
}

/* Too deep for us is what ENOTBLK is for: by loop device the same file works */
static void enotblk_fallback(const void *arg)
{
	const char *a = new_dir("a"), *b = new_dir("b"), *c = new_dir("c");
	const char *d = new_dir("d");

	(void)arg;
	mount_nested(a, b, c);
	NEED_OK(storage_mount(below(c, IMAGE ".img"), d), "depth 3");
	CHECK(files_do_not_work, "no ENOTBLK at depth 3");
	tree_equals(d, dump());
	umount_ok(d, 0);
	umount_ok(c, 0);
}

/* ------------------------------------------------------------ containerd */

static void containerd(const void *arg)
{
	const struct image *img = image_find("rebuilt3-4096");
	const char *mnt = new_dir("mnt");
	int fs = fs_open("erofs"), i, mfd;

	(void)arg;
	NEED_OK(cfg_flag(fs, "ro"), "ro");
	NEED_OK(cfg_str(fs, "source", data_path(img->image)), "source");
	for (i = 0; i < img->nr_dev; i++)
		NEED_OK(cfg_str(fs, "device", data_path(img->dev[i])), "device");
	create_logged(fs, "create");
	mfd = fs_mount(fs, MOUNT_ATTR_RDONLY);
	NEED_OK(mfd, "fsmount");
	NEED_OK(attach(mfd, mnt), "attach");
	close(fs);
	close(mfd);
	tree_equals(mnt, data_path(img->dump));
	umount_ok(mnt, 0);
}

static void containerd_mount2(const void *arg)
{
	const struct image *img = image_find("rebuilt3-4096");
	const char *mnt = new_dir("mnt");
	char opts[4096] = "";
	int i;

	(void)arg;
	for (i = 0; i < img->nr_dev; i++)
		snprintf(opts + strlen(opts), sizeof(opts) - strlen(opts),
			 "%sdevice=%s", i ? "," : "", data_path(img->dev[i]));
	NEED_OK(do_mount(data_path(img->image), mnt, "erofs", DO_RDONLY, opts),
		"mount");
	tree_equals(mnt, data_path(img->dump));
	umount_ok(mnt, 0);
}

/* --------------------------------------------- nydus, e2b: a page of devices */

#define MANY	100
#define PAGE_OF_OPTIONS	4095

static void page_of_devices(const void *arg)
{
	const char *mnt = new_dir("mnt");
	char opts[PAGE_OF_OPTIONS + 1], name[PATH_MAX];
	size_t used = 0, pad;
	int i;

	(void)arg;
	for (i = 0; i < MANY; i++)
		used += snprintf(opts + used, sizeof(opts) - used,
				 "%sdevice=%s/many.dev/%03d", i ? "," : "",
				 data_dir(), i);
	/* Exactly as long as a page allows: the last name gets more slashes */
	pad = PAGE_OF_OPTIONS - used;
	snprintf(name, sizeof(name), "many.dev/%03d", MANY - 1);
	used -= strlen(name);
	memset(opts + used, '/', pad);
	snprintf(opts + used + pad, sizeof(opts) - used - pad, "%s", name);
	NEED(strlen(opts) == PAGE_OF_OPTIONS, "%zu bytes", strlen(opts));
	NEED_OK(do_mount(data_path("many.img"), mnt, "erofs", DO_RDONLY, opts),
		"mount");
	tree_equals(mnt, data_path("many.dump"));
	umount_ok(mnt, 0);
}

static void nydus(const void *arg)
{
	const struct image *img = image_find("blobdev-4096");
	const char *mnt = new_dir("mnt");
	char opts[PATH_MAX], loop[64];
	int hold = loop_open(data_path(img->dev[0]), loop, sizeof(loop));

	(void)arg;
	NEED_OK(hold, "loop device");
	snprintf(opts, sizeof(opts), "device=%s,nouser_xattr", loop);
	NEED_OK(do_mount(data_path(img->image), mnt, "erofs", DO_RDONLY, opts),
		"mount");
	close(hold);
	tree_equals(mnt, data_path(img->dump));
	umount_ok(mnt, DO_DETACH);
}

/* ----------------------------------------------------------------- apexd */

static void apexd(const void *arg)
{
	const struct image *img = image_find("offset-4096-20480");
	const char *mnt = new_dir("mnt");

	(void)arg;
	NEED_OK(do_mount(data_path(img->image), mnt, "erofs",
			 DO_NOATIME | DO_NODEV | DO_DIRSYNC | DO_RDONLY,
			 img->opts), "mount");
	tree_equals(mnt, data_path(img->dump));
	umount_ok(mnt, DO_DETACH);
}

/* --------------------------------------------------- libmount and mount(8) */

/* As libmount 2.41 does for "mount IMAGE DIR": without ro it says rw itself */
static void libmount_way(const char *source, bool ro)
{
	const char *mnt = tmp_path("mnt");
	int fs = fs_open("erofs"), ret, mfd;

	mkdir(mnt, 0755);
	NEED_OK(cfg_str(fs, "source", source), "source");
	NEED_OK(cfg_flag(fs, ro ? "ro" : "rw"), ro ? "ro" : "rw");
	ret = cfg_create(fs);
	if (ret == -EROFS || ret == -EACCES) {
		/* Its answer to a medium that cannot be written */
		close(fs);
		CHECK(!ro, "ro refused: %s", err_name(ret));
		libmount_way(source, true);
		return;
	}
	NEED_OK(ret, "create");
	CHECK(!fs_log(fs, last_log, sizeof(last_log)), "log: %s", last_log);
	mfd = fs_mount(fs, ro ? MOUNT_ATTR_RDONLY : 0);
	NEED_OK(mfd, "fsmount");
	close(fs);
	NEED_OK(attach(mfd, mnt), "attach");
	close(mfd);
	CHECK(is_readonly(mnt), "can be written");
	tree_equals(mnt, dump());
	umount_ok(mnt, 0);
}

static void libmount(const void *arg)
{
	char loop[64];
	int hold = loop_open(image(), loop, sizeof(loop));

	(void)arg;
	NEED_OK(hold, "loop device");
	libmount_way(image(), true);
	libmount_way(image(), false);
	libmount_way(loop, true);
	libmount_way(loop, false);
	close(hold);
}

/* A command line that must leave a mount with the right tree */
static void program(const char *command, bool by_file)
{
	const char *mnt = tmp_path("mnt");
	int loops = loop_count();

	mkdir(mnt, 0755);
	if (!CHECK(!run("%s %s", command, mnt), "%s", command))
		return;
	if (by_file)
		CHECK(loop_count() == loops, "%s: used a loop device", command);
	CHECK(is_readonly(mnt), "%s: can be written", command);
	tree_equals(mnt, dump());
	CHECK(!run("umount %s", mnt), "umount after %s", command);
}

static void program_of(const char *prefix, const char *source, bool by_file)
{
	char command[PATH_MAX * 2];

	snprintf(command, sizeof(command), "%s %s", prefix, source);
	program(command, by_file);
}

static void mount8(const void *arg)
{
	char loop[64];
	int hold = loop_open(image(), loop, sizeof(loop));

	(void)arg;
	NEED_OK(hold, "loop device");
	program_of("mount -t erofs", loop, false);
	program_of("mount -t erofs -o ro,noatime", loop, false);
	program_of("mount -t erofs -o ro", image(), false);
	/* By itself 2.38 puts a loop device under any regular file */
	program_of("mount -t erofs.file", image(), true);
	program_of("mount -t erofs.file -o ro,noacl", image(), true);
	close(hold);
}

static void mount8_new(const void *arg)
{
	(void)arg;
	if (!have_command("mount-new"))
		tap_skip("no mount(8) of util-linux 2.41 here");
	program_of("mount-new -t erofs", image(), true);
	program_of("mount-new -t erofs -o ro", image(), true);
	program_of("mount-new -r -t erofs -o noacl,nosuid", image(), true);
}

static void busybox(const void *arg)
{
	char loop[64];
	int hold = loop_open(image(), loop, sizeof(loop));

	(void)arg;
	if (!have_command("busybox"))
		tap_skip("no busybox");
	NEED_OK(hold, "loop device");
	program_of("busybox mount -t erofs", loop, false);
	program_of("busybox mount -t erofs -o ro", loop, false);
	program_of("busybox mount -t erofs -o ro,loop", image(), false);
	close(hold);
}

/* mount.erofs and everybody else who calls mount(2) with the file itself */
static void mount2(const void *arg)
{
	const char *mnt = new_dir("mnt");
	int loops = loop_count();

	(void)arg;
	NEED_OK(do_mount(image(), mnt, "erofs", 0, NULL), "no flags");
	CHECK(is_readonly(mnt), "can be written");
	umount_ok(mnt, 0);
	NEED_OK(do_mount(image(), mnt, "erofs", DO_RDONLY | DO_NOSUID, ""),
		"read-only");
	CHECK(loop_count() == loops, "used a loop device");
	tree_equals(mnt, dump());
	umount_ok(mnt, 0);
}

/* ---------------------------------------------------------------- systemd */

static void systemd(const void *arg)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
			    MOUNT_ATTR_NODEV,
	};
	const char *mnt = new_dir("mnt");
	int fs = fs_open("erofs"), mfd, fd;
	struct stat st;

	(void)arg;
	NEED_OK(cfg_str(fs, "source", image()), "source");
	create_logged(fs, "create");
	mfd = fs_mount(fs, 0);
	NEED_OK(mfd, "fsmount");
	close(fs);
	NEED(!sys_mount_setattr(mfd, "", AT_EMPTY_PATH, &attr, sizeof(attr)),
	     "mount_setattr: %m");
	/* Looks into it before anybody else can see it */
	fd = openat(mfd, "exact", O_RDONLY | O_CLOEXEC);
	NEED(fd >= 0 && !fstat(fd, &st), "openat: %m");
	CHECK(st.st_size == PATTERN_EXACT_SIZE, "size %lld",
	      (long long)st.st_size);
	close(fd);
	set_idmap(mfd, 300000);
	NEED_OK(attach(mfd, mnt), "attach");
	close(mfd);
	check_owner(below(mnt, "exact"), 300000, 300000);
	check_owner(below(mnt, "modes/owned"), 301000, 301001);
	/* No mapping, no owner: 70000 is outside of the 65536 */
	check_owner(below(mnt, "modes/owned-70000"), 65534, 65534);
	CHECK(open(below(mnt, "special/null"), O_RDONLY) < 0 && errno == EACCES,
	      "nodev: %m");
	umount_ok(mnt, 0);
}

/* -------------------------------------------------------- detached mounts */

static void detached(const void *arg)
{
	const char *lower = new_dir("lower");
	int mfd, fd, tree;
	char byte;

	(void)arg;
	NEED_OK(do_mount("none", lower, "tmpfs", 0, NULL), "tmpfs");
	copy_file(image(), below(lower, "img"));
	mfd = mount_detached(&(struct source){ .path = below(lower, "img") });
	NEED_OK(mfd, "mount");
	/* A clone of it, too, where the kernel can clone what is not attached */
	tree = sys_open_tree(mfd, "dirs", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		tree = openat(mfd, "dirs", O_PATH | O_DIRECTORY | O_CLOEXEC);
	NEED(tree >= 0, "open_tree: %m");
	fd = openat(mfd, "exact", O_RDONLY | O_CLOEXEC);
	NEED(fd >= 0, "openat: %m");
	/* The mount goes, its clone and its open file stay */
	close(mfd);
	CHECK(pread(fd, &byte, 1, PATTERN_EXACT_SIZE - 1) == 1, "read: %m");
	CHECK(!faccessat(tree, "fifty", F_OK, 0), "clone: %m");
	CHECK_ERR(do_umount(lower, 0), -EBUSY, "umount of what is in use");
	close(fd);
	close(tree);
	CHECK_ERR(do_umount(lower, 0), 0, "umount of the lower filesystem");
}

/* A context must not need anything of its caller after create */
static void other_fds_closed(const void *arg)
{
	const char *mnt = new_dir("mnt");
	int fs = fs_open("erofs"), fd = open_need(image(), O_RDONLY), mfd, i;

	(void)arg;
	NEED_OK(cfg_fd(fs, "source", fd), "source");
	close(fd);
	create_logged(fs, "create");
	mfd = fs_mount(fs, 0);
	NEED_OK(mfd, "fsmount");
	for (i = 3; i < 256; i++)
		if (i != mfd)
			close(i);
	NEED_OK(attach(mfd, mnt), "attach");
	close(mfd);
	tree_equals(mnt, dump());
}

static void lazy_umount(const void *arg)
{
	const char *mnt = new_dir("mnt");
	int fd;

	(void)arg;
	NEED_OK(mount_file(image(), mnt, NULL), "mount");
	fd = open_need(below(mnt, "."), O_RDONLY | O_DIRECTORY);
	umount_ok(mnt, DO_DETACH);
	CHECK(access(below(mnt, "exact"), F_OK), "still there");
	CHECK(!faccessat(fd, "exact", R_OK, 0), "open directory: %m");
	close(fd);
}

/* ----------------------------------------------------------------- options */

static int with_option(const char *opt)
{
	const char *mnt = tmp_path("mnt");
	int ret;

	mkdir(mnt, 0755);
	ret = mount_file(image(), mnt, opt);
	if (!ret) {
		CHECK(!last_log[0], "%s: log after success: %s", opt, last_log);
		umount_ok(mnt, 0);
	}
	return ret;
}

static void options_known(const void *arg)
{
	static const char * const good[] = {
		"user_xattr", "nouser_xattr", "acl", "noacl",
		"cache_strategy=disabled", "cache_strategy=readahead",
		"cache_strategy=readaround", "dax=never", "fsoffset=0",
		"directio", "nodirectio", "ro", "rw", "noacl,nouser_xattr",
		"sealed",
	};
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(good); i++)
		CHECK_ERR(with_option(good[i]), 0, good[i]);
}

static void options_refused(const void *arg)
{
	static const char * const bad[] = {
		"no_such_option", "no_such_option=1", "acl=1", "user_xattr=x",
		"cache_strategy", "cache_strategy=", "cache_strategy=often",
		"dax", "dax=always", "dax=sometimes", "domain_id=x",
		"domain_id=", "inode_share", "directio=1", "sealed=1",
		"fsid=x", "fsoffset", "fsoffset=1k",
	};
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_ERR(with_option(bad[i]), -EINVAL, bad[i]);
		CHECK(last_log[0], "%s: nothing in the log", bad[i]);
		CHECK_ERR(do_mount(image(), tmp_path("mnt"), "erofs",
				   DO_RDONLY, bad[i]), -EINVAL, bad[i]);
	}
}

static void options_of_block(const void *arg)
{
	static const char * const bad[] = { "directio", "nodirectio", "sealed",
					    "dax", "dax=always" };
	struct source src = { .via = VIA_LOOP };
	const char *mnt = new_dir("mnt");
	size_t i;

	(void)arg;
	src.path = image();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		src.opts = bad[i];
		CHECK_ERR(mount_at(&src, mnt), -EINVAL, bad[i]);
		CHECK(last_log[0], "%s: nothing in the log", bad[i]);
	}
}

/* A file that cannot be read directly: the option cannot be honoured */
static void directio_impossible(const void *arg)
{
	const char *lower = new_dir("lower"), *mnt = new_dir("mnt");

	(void)arg;
	if (do_mount("none", lower, "ramfs", 0, NULL))
		tap_skip("no ramfs");
	copy_file(image(), below(lower, "img"));
	if (open(below(lower, "img"), O_RDONLY | O_DIRECT) >= 0)
		tap_skip("this ramfs can do direct I/O");
	CHECK_ERR(mount_file(below(lower, "img"), mnt, "directio"), -EINVAL,
		  "directio");
	CHECK(last_log[0], "nothing in the log");
	NEED_OK(mount_file(below(lower, "img"), mnt, "nodirectio"), "nodirectio");
	tree_equals(mnt, dump());
}

static void directio_reads(const void *arg)
{
	static const char * const images[] = { "default-4096", "chunk8-4k-512",
					       "cut-1024" };
	const char *mnt = new_dir("mnt");
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(images); i++) {
		const struct image *img = image_find(images[i]);

		NEED_OK(mount_file(data_path(img->image), mnt, "directio"),
			"directio");
		tree_equals(mnt, data_path(img->dump));
		umount_ok(mnt, 0);
		NEED_OK(mount_file(data_path(img->image), mnt, "nodirectio"),
			"nodirectio");
		tree_equals(mnt, data_path(img->dump));
		umount_ok(mnt, 0);
	}
}

/* What an option takes away is gone, and nothing else is */
static void options_take_effect(const void *arg)
{
	const struct image *img = image_find("xattr-4096");
	const char *mnt = new_dir("mnt"), *file = below(mnt, "trusted");
	const char *acl = below(mnt, "acl-allow-1000");
	char buf[256], opts[4096];

	(void)arg;
	NEED_OK(mount_file(data_path(img->image), mnt, NULL), "mount");
	CHECK(getxattr(file, "user.public", buf, sizeof(buf)) == 7, "user: %m");
	CHECK(getxattr(acl, "system.posix_acl_access", buf, sizeof(buf)) > 0,
	      "ACL: %m");
	umount_ok(mnt, 0);

	NEED_OK(mount_file(data_path(img->image), mnt, "nouser_xattr,noacl"),
		"mount");
	CHECK(getxattr(file, "user.public", buf, sizeof(buf)) < 0 &&
	      errno == EOPNOTSUPP, "nouser_xattr: %m");
	CHECK(getxattr(file, "trusted.secret", buf, sizeof(buf)) == 14,
	      "trusted: %m");
	CHECK(getxattr(acl, "system.posix_acl_access", buf, sizeof(buf)) < 0 &&
	      errno == EOPNOTSUPP, "noacl: %m");
	NEED(mountinfo(mnt, NULL, 0, opts, sizeof(opts)), "no mountinfo");
	CHECK(strstr(opts, "nouser_xattr") && strstr(opts, "noacl"),
	      "mountinfo: %s", opts);
}

static void readonly_always(const void *arg)
{
	static const char * const way[] = { NULL, "rw", "ro" };
	const char *mnt = new_dir("mnt");
	struct source src = { .path = image() };
	char opts[4096];
	size_t i;
	int via;

	(void)arg;
	for (via = 0; via < 2; via++) {
		for (i = 0; i < ARRAY_SIZE(way); i++) {
			src.via = via ? VIA_LOOP : VIA_PATH;
			src.opts = way[i];
			NEED_OK(mount_at(&src, mnt), way[i] ? way[i] : "none");
			NEED(mountinfo(mnt, NULL, 0, opts, sizeof(opts)),
			     "no mountinfo");
			CHECK(!strncmp(opts, "ro", 2), "mountinfo: %s", opts);
			CHECK(is_readonly(mnt), "can be written");
			umount_ok(mnt, 0);
		}
	}
}

static void ro_after_source(const void *arg)
{
	int fs = fs_open("erofs"), mfd;

	(void)arg;
	NEED_OK(cfg_str(fs, "source", image()), "source");
	NEED_OK(cfg_flag(fs, "ro"), "ro");
	create_logged(fs, "create");
	mfd = fs_mount(fs, 0);
	NEED_OK(mfd, "fsmount");
}

static void create_exclusive(const void *arg)
{
	int fs = fs_open("erofs"), fs2 = fs_open("erofs"), ret;

	(void)arg;
	NEED_OK(cfg_str(fs, "source", image()), "source");
	NEED_OK(cfg_str(fs2, "source", image()), "source");
	ret = sys_fsconfig(fs, FSCONFIG_CMD_CREATE_EXCL, NULL, NULL, 0);
	if (ret && errno == EOPNOTSUPP)
		tap_skip("the kernel has no exclusive creation (6.6)");
	NEED(!ret, "first: %m");
	ret = sys_fsconfig(fs2, FSCONFIG_CMD_CREATE_EXCL, NULL, NULL, 0);
	CHECK(ret && errno == EBUSY, "second: %m");
}

/* ------------------------------------------------------------------- logs */

static void kernel_lines(const void *arg)
{
	const char *mnt = new_dir("mnt");
	char text[1024];
	int kmsg = kmsg_open(), nr;

	(void)arg;
	NEED_OK(mount_file(image(), mnt, NULL), "mount");
	nr = kmsg_count(kmsg, "erofs", text, sizeof(text));
	CHECK(nr <= 1, "%d lines for a mount, last: %s", nr, text);
	umount_ok(mnt, 0);
	nr = kmsg_count(kmsg, "erofs", text, sizeof(text));
	CHECK(nr == 0, "%d lines for an unmount, last: %s", nr, text);
}

/* --------------------------------------------------------------- remounts */

static int reconfigure(const char *mnt, const char *key, const char *val)
{
	int fs = sys_fspick(AT_FDCWD, mnt, FSPICK_CLOEXEC), ret;

	NEED(fs >= 0, "fspick: %m");
	ret = val ? cfg_str(fs, key, val) : cfg_flag(fs, key);
	if (!ret)
		ret = cfg_reconfigure(fs);
	fs_log(fs, last_log, sizeof(last_log));
	close(fs);
	return ret;
}

static void remount_same(const void *arg)
{
	const struct image *img = image_find("offset-4096-20480");
	const char *mnt = new_dir("mnt");
	char opts[4096];

	(void)arg;
	NEED_OK(mount_file(image(), mnt, NULL), "mount");
	CHECK_ERR(do_mount(NULL, mnt, NULL, DO_REMOUNT | DO_RDONLY, NULL), 0,
		  "remount,ro");
	CHECK(!run("mount -o remount,ro %s", mnt), "mount -o remount,ro");
	/* mount(8) hands back what mountinfo says */
	NEED(mountinfo(mnt, NULL, 0, opts, sizeof(opts)), "no mountinfo");
	CHECK_ERR(do_mount(NULL, mnt, NULL, DO_REMOUNT | DO_RDONLY,
			   !strncmp(opts, "ro,", 3) ? opts + 3 : NULL), 0,
		  opts);
	tree_equals(mnt, dump());
	umount_ok(mnt, 0);

	NEED_OK(mount_file(data_path(img->image), mnt,
			   "fsoffset=20480,noacl,nouser_xattr"), "mount");
	CHECK(!run("mount -o remount,ro %s", mnt), "mount -o remount,ro");
	NEED(mountinfo(mnt, NULL, 0, opts, sizeof(opts)), "no mountinfo");
	CHECK(strstr(opts, "noacl") && strstr(opts, "nouser_xattr"),
	      "after remount: %s", opts);
	umount_ok(mnt, 0);
}

/* Of its devices mountinfo shows those that were given by name */
static void remount_devices(const void *arg)
{
	const char *mnt = new_dir("mnt");
	char opts[4096], other[4200];
	struct source src;

	(void)arg;
	image_source(image_find("dev3-4096-4096"), VIA_PATH, &src);
	src.dev_via[0] = VIA_FD;
	NEED_OK(mount_at(&src, mnt), "mount");
	NEED(mountinfo(mnt, NULL, 0, opts, sizeof(opts)), "no mountinfo");
	CHECK(strstr(opts, src.dev[1]) && !strstr(opts, src.dev[0]),
	      "mountinfo: %s", opts);
	CHECK_ERR(do_mount(NULL, mnt, NULL, DO_REMOUNT | DO_RDONLY,
			   !strncmp(opts, "ro,", 3) ? opts + 3 : NULL), 0,
		  opts);
	snprintf(other, sizeof(other), "device=%s", src.dev[0]);
	CHECK_ERR(do_mount(NULL, mnt, NULL, DO_REMOUNT | DO_RDONLY, other),
		  -EINVAL, other);
	snprintf(other, sizeof(other), "device=%s,device=%s,device=%s",
		 src.dev[1], src.dev[1], src.dev[1]);
	CHECK_ERR(do_mount(NULL, mnt, NULL, DO_REMOUNT | DO_RDONLY, other),
		  -EINVAL, other);
	umount_ok(mnt, 0);
}

static void remount_rw(const void *arg)
{
	const char *mnt = new_dir("mnt");
	int ret;

	(void)arg;
	NEED_OK(mount_file(image(), mnt, NULL), "mount");
	ret = do_mount(NULL, mnt, NULL, DO_REMOUNT, NULL);
	CHECK(!ret || ret == -EROFS || ret == -EINVAL, "remount,rw: %s",
	      err_name(ret));
	CHECK(is_readonly(mnt), "can be written");
	ret = reconfigure(mnt, "rw", NULL);
	CHECK(!ret || last_log[0], "refused without a word");
	CHECK(is_readonly(mnt), "can be written");
	CHECK(!unlink(below(mnt, "exact")) ? false : errno == EROFS,
	      "unlink: %m");
	tree_equals(mnt, dump());
}

/* Changes that would need another superblock */
static void remount_refused(const void *arg)
{
	static const struct {
		const char *key, *val;
	} change[] = {
		{ "fsoffset", "4096" }, { "dax", "always" }, { "dax", NULL },
		{ "device", "/dev/null" }, { "sealed", NULL },
		{ "source", "/dev/null" },
		{ "no_such_option", NULL }, { "cache_strategy", "often" },
		{ "inode_share", NULL }, { "domain_id", "x" },
	};
	const char *mnt = new_dir("mnt");
	size_t i;
	int fs;

	(void)arg;
	NEED_OK(mount_file(image(), mnt, NULL), "mount");
	for (i = 0; i < ARRAY_SIZE(change); i++) {
		int ret = reconfigure(mnt, change[i].key, change[i].val);

		CHECK(ret < 0 && ret != -EFAULT, "%s=%s was accepted",
		      change[i].key, change[i].val ? change[i].val : "");
		CHECK(last_log[0], "%s: refused without a word", change[i].key);
	}
	/* Another source by descriptor */
	fs = sys_fspick(AT_FDCWD, mnt, FSPICK_CLOEXEC);
	NEED(fs >= 0, "fspick: %m");
	if (!cfg_fd(fs, "source", open_need(data_path("default-512.img"),
					    O_RDONLY)))
		CHECK(cfg_reconfigure(fs) < 0, "another source was accepted");
	CHECK(fs_log(fs, last_log, sizeof(last_log)), "refused without a word");
	tree_equals(mnt, dump());
}

/* Options that may change: done, or refused, and never half */
static void remount_changes(const void *arg)
{
	static const struct {
		const char *key, *val, *shown;
	} change[] = {
		{ "noacl", NULL, "noacl" },
		{ "nouser_xattr", NULL, "nouser_xattr" },
		{ "cache_strategy", "disabled", "cache_strategy=disabled" },
	};
	const char *mnt = new_dir("mnt");
	char opts[4096];
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(change); i++) {
		int ret;

		NEED_OK(mount_file(image(), mnt, NULL), "mount");
		ret = reconfigure(mnt, change[i].key, change[i].val);
		NEED(mountinfo(mnt, NULL, 0, opts, sizeof(opts)), "mountinfo");
		tap_note("%s: %s", change[i].key, err_name(ret));
		if (ret)
			CHECK(last_log[0], "%s: refused without a word",
			      change[i].key);
		CHECK(!ret == !!strstr(opts, change[i].shown),
		      "%s: %s, but mountinfo has %s", change[i].key,
		      err_name(ret), opts);
		tree_equals(mnt, dump());
		umount_ok(mnt, 0);
	}
}

static const struct tap_case cases[] = {
	TAP_CASE(libcomposefs),
	TAP_CASE(libcomposefs_noacl),
	TAP_CASE(libcomposefs_idmap),
	TAP_CASE(composefs_rs),
	TAP_CASE(containers_storage),
	TAP_CASE(enotblk_fallback),
	TAP_CASE(containerd),
	TAP_CASE(containerd_mount2),
	TAP_CASE(page_of_devices),
	TAP_CASE(nydus),
	TAP_CASE(apexd),
	TAP_CASE(libmount),
	TAP_CASE(mount8),
	TAP_CASE(mount8_new),
	TAP_CASE(busybox),
	TAP_CASE(mount2),
	TAP_CASE(systemd),
	TAP_CASE(detached),
	TAP_CASE(other_fds_closed),
	TAP_CASE(lazy_umount),
	TAP_CASE(options_known),
	TAP_CASE(options_refused),
	TAP_CASE(options_of_block),
	TAP_CASE(directio_impossible),
	TAP_CASE(directio_reads),
	TAP_CASE(options_take_effect),
	TAP_CASE(readonly_always),
	TAP_CASE(ro_after_source),
	TAP_CASE(create_exclusive),
	TAP_CASE(kernel_lines),
	TAP_CASE(remount_same),
	TAP_CASE(remount_devices),
	TAP_CASE(remount_rw),
	TAP_CASE(remount_refused),
	TAP_CASE(remount_changes),
};

int main(int argc, char **argv)
{
	return tap_run("clients", cases, ARRAY_SIZE(cases), argc, argv);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where an image may lie, and how it is handed over: every kind of lower
 * filesystem, by path and by descriptor; what is refused, with which errno and
 * that the log says so; nesting; extra devices; offsets; sharing of superblocks;
 * how long the file is held, and what "sealed" means.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/memfd.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib_mount.h"
#include "pattern.h"

#define MAGIC_AT	1024

/* Two that differ in block size and layout; both hold the small tree */
static const char * const images[] = { "default-4096", "chunk8-4k-512" };

static const char *image_path(const char *name)
{
	return data_path(image_find(name)->image);
}

static const char *dump_path(const char *name)
{
	return data_path(image_find(name)->dump);
}

static int mount_via(const char *path, enum via via, const char *target,
		     const char *opts)
{
	struct source src = { .path = path, .via = via, .opts = opts };

	return mount_at(&src, target);
}

static void refused(int ret, int want, const char *what)
{
	CHECK_ERR(ret, want, what);
	CHECK(last_log[0], "%s: refused without a word in the log", what);
}

static dev_t dev_of(const char *path)
{
	struct stat st;

	NEED(!stat(path, &st), "stat %s: %m", path);
	return st.st_dev;
}

/* ------------------------------------------------- lower filesystems */

static void check_mounts(const char *path, const char *name)
{
	static const enum via vias[] = { VIA_PATH, VIA_FD, VIA_PROC };
	const char *mnt = tmp_path("image");
	size_t i;

	mkdir(mnt, 0755);
	for (i = 0; i < ARRAY_SIZE(vias); i++) {
		if (!CHECK_ERR(mount_via(path, vias[i], mnt, NULL), 0,
			       via_name(vias[i]))) {
			tap_note("%s", last_log);
			continue;
		}
		CHECK(!last_log[0], "log after success: %s", last_log);
		tree_equals(mnt, dump_path(name));
		CHECK_ERR(do_umount(mnt, 0), 0, "umount");
	}
}

/* Copies the images to a writable lower filesystem and mounts them from it */
static void check_lower(const char *dir)
{
	char path[PATH_MAX];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(images); i++) {
		snprintf(path, sizeof(path), "%s/%s.img", dir, images[i]);
		copy_file(image_path(images[i]), path);
		check_mounts(path, images[i]);
	}
	/* Once more with nothing of it in memory */
	drop_caches();
	check_mounts(path, images[ARRAY_SIZE(images) - 1]);
}

static const char *new_mount(const char *name, const char *type,
			     const char *opts)
{
	const char *dir = new_dir(name);

	if (!have_filesystem(type))
		tap_skip("the kernel has no %s", type);
	NEED_OK(do_mount("none", dir, type, 0, opts), type);
	return dir;
}

static void on_ext4(const void *arg)
{
	const char *dir = new_dir("lower"), *file = tmp_path("disk");

	(void)arg;
	NEED(!run("truncate -s 32M %s && mke2fs -q -t ext4 %s && "
		  "mount -o loop %s %s", file, file, file, dir), "no ext4");
	check_lower(dir);
	CHECK_ERR(do_umount(dir, 0), 0, "umount of ext4");
}

static void on_ext4_1k(const void *arg)
{
	const char *dir = new_dir("lower"), *file = tmp_path("disk");

	(void)arg;
	NEED(!run("truncate -s 32M %s && mke2fs -q -t ext4 -b 1024 %s && "
		  "mount -o loop %s %s", file, file, file, dir), "no ext4");
	check_lower(dir);
	CHECK_ERR(do_umount(dir, 0), 0, "umount of ext4");
}

static void on_xfs(const void *arg)
{
	const char *dir = new_dir("lower"), *file = tmp_path("disk");

	(void)arg;
	if (!have_filesystem("xfs") || !have_command("mkfs.xfs"))
		tap_skip("no xfs");
	NEED(!run("truncate -s 320M %s && mkfs.xfs -q -f %s && "
		  "mount -o loop %s %s", file, file, file, dir), "mkfs.xfs");
	check_lower(dir);
	CHECK_ERR(do_umount(dir, 0), 0, "umount of xfs");
}

static void on_tmpfs(const void *arg)
{
	const char *dir = new_mount("lower", "tmpfs", NULL);

	(void)arg;
	check_lower(dir);
	CHECK_ERR(do_umount(dir, 0), 0, "umount of tmpfs");
}

static void on_tmpfs_huge(const void *arg)
{
	const char *dir = new_dir("lower");

	(void)arg;
	if (do_mount("none", dir, "tmpfs", 0, "huge=always"))
		tap_skip("no huge pages in tmpfs");
	check_lower(dir);
	CHECK_ERR(do_umount(dir, 0), 0, "umount of tmpfs");
}

static void on_ramfs(const void *arg)
{
	const char *dir = new_mount("lower", "ramfs", NULL);

	(void)arg;
	check_lower(dir);
	CHECK_ERR(do_umount(dir, 0), 0, "umount of ramfs");
}

static void overlay_options(char *opts, size_t size, const char *lower)
{
	snprintf(opts, size, "lowerdir=%s,upperdir=%s,workdir=%s", lower,
		 new_dir("upper"), new_dir("work"));
}

static void on_overlayfs(const void *arg)
{
	const char *lower = new_dir("ovl-lower"), *dir;
	char path[PATH_MAX], opts[PATH_MAX * 3];

	(void)arg;
	snprintf(path, sizeof(path), "%s/below.img", lower);
	copy_file(image_path(images[0]), path);
	overlay_options(opts, sizeof(opts), lower);
	dir = new_mount("lower", "overlay", opts);
	/* A file of the lower layer, and after that files of the upper one */
	snprintf(path, sizeof(path), "%s/below.img", dir);
	check_mounts(path, images[0]);
	check_lower(dir);
	CHECK_ERR(do_umount(dir, 0), 0, "umount of overlayfs");
}

static void on_squashfs(const void *arg)
{
	const char *dir = new_dir("lower");
	char path[PATH_MAX];

	(void)arg;
	if (access(data_path("holder.squashfs"), F_OK))
		tap_skip("no holder.squashfs in the data");
	NEED(!run("mount -o loop -t squashfs %s %s",
		  data_path("holder.squashfs"), dir), "mount squashfs");
	snprintf(path, sizeof(path), "%s/default-4096.img", dir);
	check_mounts(path, "default-4096");
	CHECK_ERR(do_umount(dir, 0), 0, "umount of squashfs");
}

static void fuse_case(const char *opts)
{
	const char *from = new_dir("from"), *dir = new_dir("lower");
	char path[PATH_MAX];
	size_t i;

	if (access("/dev/fuse", F_OK))
		tap_skip("no /dev/fuse");
	for (i = 0; i < ARRAY_SIZE(images); i++) {
		snprintf(path, sizeof(path), "%s/%s.img", from, images[i]);
		copy_file(image_path(images[i]), path);
	}
	NEED(!run("%s %s %s %s >/dev/null", tool_path("fusefs"), opts, from,
		  dir), "fusefs");
	for (i = 0; i < ARRAY_SIZE(images); i++) {
		snprintf(path, sizeof(path), "%s/%s.img", dir, images[i]);
		check_mounts(path, images[i]);
	}
	CHECK_ERR(do_umount(dir, 0), 0, "umount of fuse");
}

static void on_fuse(const void *arg)
{
	(void)arg;
	fuse_case("");
}

static void on_fuse_direct(const void *arg)
{
	(void)arg;
	fuse_case("-D");
}

static void on_9p(const void *arg)
{
	char line[PATH_MAX * 2], dir[PATH_MAX], path[PATH_MAX + 64];
	FILE *f = fopen("/proc/mounts", "re");
	bool found = false;

	(void)arg;
	while (f && !found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %4095s %4095s", dir, path) != 2 ||
		    strcmp(path, "9p"))
			continue;
		snprintf(path, sizeof(path), "%s/default-4096.img", dir);
		found = !access(path, R_OK);
	}
	if (!found)
		tap_skip("no 9p share with default-4096.img is mounted");
	check_mounts(path, "default-4096");
}

/* A copy of an image that NFS serves at *dir, until nfs_down(dir) */
static const char *nfs_image(const char *name, const char **dir)
{
	const char *from = new_dir("export");
	int ret;

	*dir = new_dir("lower");
	copy_file(image_path(name), below(from, "image"));
	ret = run("%s up %s %s", tool_path("nfs.sh"), from, *dir);
	if (ret == KSFT_SKIP)
		tap_skip("no NFS server or client here");
	NEED(!ret, "nfs.sh: %d", ret);
	return below(*dir, "image");
}

static void nfs_down(const char *dir)
{
	CHECK(!run("%s down %s", tool_path("nfs.sh"), dir), "nfs.sh down");
}

static void on_nfs(const void *arg)
{
	const char *dir, *path = nfs_image(images[0], &dir);

	(void)arg;
	check_mounts(path, images[0]);
	drop_caches();
	check_mounts(path, images[0]);
	nfs_down(dir);
}

static void on_memfd(const void *arg)
{
	int fd = syscall(__NR_memfd_create, "an image", MFD_ALLOW_SEALING);
	char path[64];
	size_t len = 0;
	char *data = slurp(image_path(images[0]), &len);

	(void)arg;
	NEED(fd >= 0 && data, "memfd: %m");
	NEED(write(fd, data, len) == (ssize_t)len, "write: %m");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	check_mounts(path, images[0]);
	/* As image builders leave it: nobody can change it any more */
	NEED(!fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK |
		    F_SEAL_GROW | F_SEAL_SEAL), "seal: %m");
	check_mounts(path, images[0]);
}

/* Also what /dev/shm holds is a file like any other, opened for reading only */
static void unlinked(const void *arg)
{
	const char *path = tmp_path("gone.img"), *mnt = new_dir("mnt");
	char proc[64], source[PATH_MAX];
	int fd;

	(void)arg;
	copy_file(image_path(images[0]), path);
	fd = open_need(path, O_RDONLY);
	unlink(path);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	check_mounts(proc, images[0]);
	NEED_OK(mount_via(proc, VIA_PATH, mnt, NULL), "mount");
	close(fd);
	NEED(mountinfo(mnt, source, sizeof(source), NULL, 0), "no mountinfo");
	CHECK(strstr(source, "gone.img\\040(deleted)"), "source is %s", source);
	/* The superblock alone holds the file now */
	drop_caches();
	tree_equals(mnt, dump_path(images[0]));
	CHECK_ERR(do_umount(mnt, 0), 0, "umount");
}

/* ------------------------------------------ direct reads of the user's */

#define SELF_LEN	65536
#define SELF_ROUNDS	8

/*
 * Memory that a direct read fills may belong to a file of the same image, and
 * not be there yet: then the store is read for it while it reads.
 */
static void read_into_itself(const char *path)
{
	int fd = open_need(path, O_RDONLY), direct;
	unsigned int i;

	direct = open_need(path, O_RDONLY | O_DIRECT);
	for (i = 0; i < SELF_ROUNDS; i++) {
		const off_t at = (off_t)(SELF_ROUNDS + i) * SELF_LEN;
		char *p;

		drop_caches();
		p = mmap(NULL, SELF_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			 fd, (off_t)i * SELF_LEN);
		NEED(p != MAP_FAILED, "mmap: %m");
		CHECK(pread(direct, p, SELF_LEN, at) == SELF_LEN, "%m");
		CHECK(pattern_check(p, SELF_LEN, PATTERN_MID_SEED, at) < 0,
		      "differs at %lld", (long long)at);
		munmap(p, SELF_LEN);
	}
}

/* Who changes the image's file waits for its lock, and others behind him */
static void change_mode(const char *path)
{
	for (;;)
		if (chmod(path, 0600) || chmod(path, 0644))
			_exit(1);
}

static void direct_into_itself(const char *image, bool changed)
{
	const char *mnt = new_dir("self");
	pid_t pid, changer = -1;
	int status = 0;
	bool ended;

	NEED_OK(mount_via(image, VIA_PATH, mnt, NULL), "mount");
	if (changed) {
		changer = fork();
		NEED(changer >= 0, "fork: %m");
		if (!changer)
			change_mode(image);
	}
	pid = fork();
	NEED(pid >= 0, "fork: %m");
	if (!pid) {
		read_into_itself(below(mnt, "mid"));
		fflush(stdout);
		_exit(tap_failed());
	}
	/* in less than the case has, which could then not undo anything */
	ended = child_ends(pid, 45, &status);
	CHECK(ended, "no end");
	CHECK(!status, "it failed, status %x", status);
	if (!ended) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	if (changer > 0) {
		kill(changer, SIGKILL);
		NEED(waitpid(changer, &status, 0) == changer, "%m");
		CHECK(WIFSIGNALED(status), "chmod has failed");
	}
	CHECK_ERR(do_umount(mnt, 0), 0, "umount");
}

static void into_itself_ext4(const void *arg)
{
	const char *path = below(lower_dir(ON_EXT4), "image");

	(void)arg;
	copy_file(image_path("full"), path);
	direct_into_itself(path, true);
}

static void into_itself_nfs(const void *arg)
{
	const char *dir, *path = nfs_image("full", &dir);

	(void)arg;
	direct_into_itself(path, false);
	nfs_down(dir);
}

/* ---------------------------------------------------------- mountinfo */

static void source_shown(const void *arg)
{
	static const enum via vias[] = { VIA_PATH, VIA_FD, VIA_PROC };
	const char *path = tmp_path("shown.img"), *mnt = new_dir("mnt");
	char source[PATH_MAX], opts[PATH_MAX];
	size_t i;

	(void)arg;
	copy_file(image_path(images[0]), path);
	for (i = 0; i < ARRAY_SIZE(vias); i++) {
		NEED_OK(mount_via(path, vias[i], mnt, NULL), "mount");
		NEED(mountinfo(mnt, source, sizeof(source), opts, sizeof(opts)),
		     "no mountinfo");
		CHECK(!strcmp(source, path), "%s: source is %s, not %s",
		      via_name(vias[i]), source, path);
		CHECK(!strncmp(opts, "ro", 2), "options are %s", opts);
		CHECK_ERR(do_umount(mnt, 0), 0, "umount");
	}
}

/* Mounts a copy of the first image, in that empty file; its source, as it is shown */
static const char *source_by_fd(int fd)
{
	static char source[PATH_MAX];
	const char *mnt = new_dir("mnt");
	size_t len = 0;
	char *data = slurp(image_path(images[0]), &len);
	int fs = fs_open("erofs"), ret;

	NEED(fd >= 0 && fs >= 0 && data, "%m");
	NEED(write(fd, data, len) == (ssize_t)len, "write: %m");
	NEED_OK(cfg_fd(fs, "source", fd), "source");
	NEED_OK(cfg_create(fs), "create");
	close(fd);
	ret = fs_mount(fs, 0);
	NEED_OK(ret, "fsmount");
	close(fs);
	NEED_OK(attach(ret, mnt), "attach");
	NEED(mountinfo(mnt, source, sizeof(source), NULL, 0), "no mountinfo");
	tree_equals(mnt, dump_path(images[0]));
	return source;
}

static void memfd_shown(const void *arg)
{
	const char *source = source_by_fd(syscall(__NR_memfd_create, "built", 0));

	(void)arg;
	CHECK(strstr(source, "memfd:built"), "source is %s", source);
}

/* The folder that so many others are in that no path is long enough */
static int far_folder(void)
{
	int fd = open_need(tmp_path(""), O_RDONLY | O_DIRECTORY), next;
	char name[256];
	size_t len;

	memset(name, 'd', 255);
	name[255] = 0;
	for (len = 0; len <= PATH_MAX; len += 256, fd = next) {
		NEED(!mkdirat(fd, name, 0755), "mkdir: %m");
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		NEED(next >= 0, "open: %m");
		close(fd);
	}
	return fd;
}

static void far_shown(const void *arg)
{
	int dir = far_folder();
	const char *source = source_by_fd(openat(dir, "far", O_RDWR | O_CREAT,
						 0644));

	(void)arg;
	close(dir);
	CHECK(!strcmp(source, ".../far"), "source is %s", source);
}

/* ------------------------------------------------------------- refusals */

/* At FSCONFIG_SET_FD: the kind of descriptor is known by then */
static void refused_fd(int fd, const char *what, int want)
{
	static const char * const keys[] = { "source", "device" };
	char name[128];
	size_t i;

	NEED(fd >= 0, "%s: %m", what);
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		int fs = fs_open("erofs"), ret;

		NEED_OK(fs, "fsopen");
		snprintf(name, sizeof(name), "%s as %s", what, keys[i]);
		ret = cfg_fd(fs, keys[i], fd);
		/* Before 7.0 the kernel refuses O_PATH without asking us */
		if (want != -EBADF || ret == -EINVAL)
			want = -EINVAL;
		CHECK_ERR(ret, want, name);
		if (want != -EBADF)
			CHECK(fs_log(fs, last_log, sizeof(last_log)),
			      "%s: nothing in the log", name);
		close(fs);
	}
	close(fd);
}

static void refused_fds(const void *arg)
{
	const char *path = tmp_path("file");
	char loop[64];
	int fd[2];

	(void)arg;
	copy_file(image_path(images[0]), path);
	refused_fd(open(path, O_PATH), "O_PATH", -EBADF);
	refused_fd(open(path, O_WRONLY), "O_WRONLY", -EINVAL);
	refused_fd(open("/", O_RDONLY | O_DIRECTORY), "directory", -EINVAL);
	refused_fd(open("/dev/null", O_RDONLY), "character device", -EINVAL);
	refused_fd(socket(AF_UNIX, SOCK_STREAM, 0), "socket", -EINVAL);
	NEED(!pipe2(fd, O_CLOEXEC), "pipe: %m");
	refused_fd(fd[0], "pipe", -EINVAL);
	refused_fd(fs_open("tmpfs"), "anonymous inode", -EINVAL);
	fd[0] = loop_open(path, loop, sizeof(loop));
	NEED_OK(fd[0], "loop device");
	refused_fd(open(loop, O_PATH), "O_PATH of a block device", -EBADF);
	/* A read-only loop device cannot be opened for writing at all */
	close(fd[0]);
}

/* Of a regular file, by its type, that nothing can read and nobody can open */
static void secret_memory(const void *arg)
{
	static const char * const keys[] = { "source", "device" };
	const char *mnt = new_dir("mnt");
	char proc[64];
	size_t i;
	int fd;

	(void)arg;
#ifdef __NR_memfd_secret
	fd = syscall(__NR_memfd_secret, 0);
#else
	fd = -1;
	errno = ENOSYS;
#endif
	if (fd < 0)
		tap_skip("no memfd_secret: %m");
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		int fs = fs_open("erofs");

		NEED_OK(fs, "fsopen");
		if (i)
			NEED_OK(cfg_str(fs, "source", image_path(images[0])),
				"source");
		NEED_OK(cfg_fd(fs, keys[i], fd), keys[i]);
		CHECK_ERR(cfg_create(fs), -ENOTBLK, keys[i]);
		CHECK(fs_log(fs, last_log, sizeof(last_log)),
		      "%s: nothing in the log", keys[i]);
		close(fs);
	}
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	refused(mount_file(proc, mnt, NULL), -ENOTBLK, proc);
	close(fd);
}

/* A writable descriptor that can also be read is a fine source */
static void rdwr_fd(const void *arg)
{
	const char *path = tmp_path("file"), *mnt = new_dir("mnt");
	int fs = fs_open("erofs"), fd, mfd;

	(void)arg;
	copy_file(image_path(images[0]), path);
	fd = open_need(path, O_RDWR);
	NEED_OK(cfg_fd(fs, "source", fd), "source");
	NEED_OK(cfg_create(fs), "create");
	mfd = fs_mount(fs, 0);
	NEED_OK(mfd, "fsmount");
	NEED_OK(attach(mfd, mnt), "attach");
	tree_equals(mnt, dump_path(images[0]));
}

static void make_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	NEED(!bind(fd, (void *)&addr, sizeof(addr)), "bind %s: %m", path);
	close(fd);
}

static void refused_paths(const void *arg)
{
	const char *mnt = new_dir("mnt"), *sock = tmp_path("sock");
	const char *fifo = tmp_path("fifo"), *link = tmp_path("link");
	char loop_link[64];

	(void)arg;
	make_socket(sock);
	NEED(!mkfifo(fifo, 0600) && !symlink("/dev/zero", link), "mkfifo: %m");
	refused(mount_file("/", mnt, NULL), -ENOTBLK, "directory");
	refused(mount_file("/dev/null", mnt, NULL), -ENOTBLK, "char device");
	refused(mount_file(sock, mnt, NULL), -ENOTBLK, "socket");
	/* Must not wait for a writer either */
	refused(mount_file(fifo, mnt, NULL), -ENOTBLK, "fifo");
	refused(mount_file(link, mnt, NULL), -ENOTBLK, "link to char device");
	refused(mount_file(tmp_path("none"), mnt, NULL), -ENOENT, "nothing");
	snprintf(loop_link, sizeof(loop_link), "%s", tmp_path("loop-link"));
	NEED(!symlink(loop_link, loop_link), "symlink: %m");
	refused(mount_file(loop_link, mnt, NULL), -ELOOP, "endless link");
}

/* Regular by their type, but no place for an image: any clean refusal will do */
static void odd_regular(const void *arg)
{
	static const char * const odd[] = {
		"/proc/version", "/proc/cmdline", "/proc/self/mem",
		"/sys/kernel/notes", "/sys/kernel/uevent_seqnum",
		"/proc/self/pagemap",
	};
	const char *mnt = new_dir("mnt");
	size_t i;

	(void)arg;
	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		int ret;

		if (access(odd[i], R_OK))
			continue;
		ret = mount_file(odd[i], mnt, NULL);
		CHECK(ret == -ENOTBLK || ret == -EINVAL || ret == -EIO ||
		      ret == -EACCES, "%s: %s (%d)", odd[i], err_name(ret), ret);
		CHECK(last_log[0], "%s: nothing in the log", odd[i]);
	}
}

static void second_source(const void *arg)
{
	const char *path = image_path(images[0]);
	int fd = open_need(path, O_RDONLY), way;

	(void)arg;
	for (way = 0; way < 4; way++) {
		int fs = fs_open("erofs");

		NEED_OK(way & 1 ? cfg_fd(fs, "source", fd)
				: cfg_str(fs, "source", path), "first source");
		CHECK_ERR(way & 2 ? cfg_fd(fs, "source", fd)
				  : cfg_str(fs, "source", path), -EINVAL,
			  "second source");
		fs_log(fs, last_log, sizeof(last_log));
		CHECK(strcasestr(last_log, "multiple sources"), "log: %s",
		      last_log);
		close(fs);
	}
}

static void no_source(const void *arg)
{
	int fs = fs_open("erofs");

	(void)arg;
	CHECK_ERR(cfg_create(fs), -EINVAL, "create");
	CHECK(fs_log(fs, last_log, sizeof(last_log)), "nothing in the log");
}

/* Not root's own affair: read as somebody who could not open the image */
static void opener_credentials(const void *arg)
{
	const char *path = tmp_path("private.img"), *mnt = new_dir("mnt");
	char file[PATH_MAX];
	int status;
	pid_t pid;

	(void)arg;
	copy_file(image_path(images[0]), path);
	NEED(!chmod(path, 0600), "chmod: %m");
	NEED_OK(mount_file(path, mnt, NULL), "mount");
	drop_caches();
	snprintf(file, sizeof(file), "%s/exact", mnt);
	pid = fork();
	if (!pid) {
		if (setgid(1000) || setuid(1000) || open(path, O_RDONLY) >= 0)
			_exit(2);
		_exit(!file_is_pattern(file, PATTERN_EXACT_SEED,
				       PATTERN_EXACT_SIZE));
	}
	NEED(waitpid(pid, &status, 0) == pid, "wait: %m");
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status), "status %x", status);
}

/* --------------------------------------------------------------- nesting */

/* nest1 holds default-4096, nest2 holds nest1, and so on */
static void nested(const void *arg)
{
	const char *a = new_dir("a"), *b = new_dir("b"), *c = new_dir("c");
	const char *d = new_dir("d");

	(void)arg;
	mount_nested(a, b, c);
	refused(mount_file(below(c, "default-4096.img"), d, NULL), -ENOTBLK,
		"depth 3");
	/* Two levels are enough to read the innermost tree through */
	NEED_OK(do_umount(c, 0), "umount");
	NEED_OK(do_umount(b, 0), "umount");
	NEED_OK(do_umount(a, 0), "umount");
	NEED_OK(mount_file(data_path("nest2.img"), a, NULL), "depth 0");
	NEED_OK(mount_file(below(a, "nest1.img"), b, NULL), "depth 1");
	drop_caches();
	check_mounts(below(b, "default-4096.img"), "default-4096");
}

/* A refusal by depth must not be remembered by the file or the mount below */
static void nested_device(const void *arg)
{
	struct source src = { .nr_dev = 1 };
	const char *a = new_dir("a"), *b = new_dir("b"), *c = new_dir("c");
	const char *d = new_dir("d");

	(void)arg;
	src.path = image_path("blobdev-4096");
	mount_nested(a, b, c);
	src.dev[0] = below(c, "blobdev-4096.dev1");
	refused(mount_at(&src, d), -ENOTBLK, "a device at depth 3");
	NEED_OK(do_umount(c, 0), "umount");
	NEED_OK(do_umount(b, 0), "umount");
	NEED_OK(mount_file(data_path("nest1.img"), b, NULL), "depth 0");
	src.dev[0] = below(b, "blobdev-4096.dev1");
	NEED_OK(mount_at(&src, d), "a device at depth 1");
	tree_equals(d, dump_path("blobdev-4096"));
}

/* On a block device the stack starts again */
static void nested_in_block(const void *arg)
{
	struct source src = { .via = VIA_LOOP };
	const char *a = new_dir("a"), *b = new_dir("b"), *c = new_dir("c");

	(void)arg;
	src.path = data_path("nest3.img");
	NEED_OK(mount_at(&src, a), "block device");
	NEED_OK(mount_file(below(a, "nest2.img"), b, NULL), "depth 0");
	NEED_OK(mount_file(below(b, "nest1.img"), c, NULL), "depth 1");
	check_mounts(below(c, "default-4096.img"), "default-4096");
}

/* The other direction: what stands on us counts on our depth */
static void overlays_above(const void *arg)
{
	const char *a = new_dir("a"), *b = new_dir("b"), *c = new_dir("c");

	(void)arg;
	if (!have_filesystem("overlay"))
		tap_skip("no overlayfs");
	NEED_OK(mount_file(image_path("default-4096"), a, NULL), "erofs");
	overlay_at(b, a, "first");
	overlay_at(c, b, "second");
	CHECK(file_is_pattern(below(c, "exact"), PATTERN_EXACT_SEED,
			      PATTERN_EXACT_SIZE), "overlay on overlay");
}

static void alternating_stack(const void *arg)
{
	const char *a = new_dir("a"), *b = new_dir("b"), *c = new_dir("c");
	const char *d = new_dir("d");

	(void)arg;
	if (!have_filesystem("overlay"))
		tap_skip("no overlayfs");
	NEED_OK(mount_file(data_path("nest1.img"), a, NULL), "erofs");
	overlay_at(b, a, "first");
	NEED_OK(mount_file(below(b, "default-4096.img"), c, NULL),
		"erofs on overlay on erofs");
	tree_equals(c, dump_path("default-4096"));
	overlay_at(d, c, "second");
	CHECK(file_is_pattern(below(d, "exact"), PATTERN_EXACT_SEED,
			      PATTERN_EXACT_SIZE), "overlay on all of it");
}

/* Whatever is stacked on whatever: an errno or a mount that reads, to the end */
static void stack_to_the_end(const void *arg)
{
	char from[PATH_MAX], name[32];
	int i, ret = 0;

	(void)arg;
	if (!have_filesystem("overlay"))
		tap_skip("no overlayfs");
	snprintf(from, sizeof(from), "%s", data_dir());
	for (i = 3; i >= 1 && !ret; i--) {
		const char *mnt, *ovl;

		snprintf(name, sizeof(name), "e%d", i);
		mnt = new_dir(name);
		snprintf(name, sizeof(name), "nest%d.img", i);
		ret = mount_file(below(from, name), mnt, NULL);
		if (ret)
			break;
		snprintf(name, sizeof(name), "o%d", i);
		ovl = new_dir(name);
		snprintf(from, sizeof(from), "lowerdir=%s:%s", mnt, tmp_path(""));
		if (do_mount("none", ovl, "overlay", 0, from))
			ovl = mnt;
		snprintf(from, sizeof(from), "%s", ovl);
	}
	tap_note("ended above nest%d", i);
	CHECK(!ret || ret == -ENOTBLK, "refused with %s", err_name(ret));
	CHECK(i <= 1, "not even two levels");
	drop_caches();
	if (!ret)
		CHECK(!run("cat %s/default-4096.img >/dev/null", from), "read");
}

/* --------------------------------------------------------------- devices */

static void wrong_device_count(const void *arg)
{
	const struct image *img = image_find("rebuilt3-4096");
	const char *mnt = new_dir("mnt");
	struct source src;
	int nr, i;

	(void)arg;
	for (nr = 1; nr <= 5; nr++) {
		image_source(img, VIA_PATH, &src);
		src.nr_dev = nr;
		for (i = 3; i < nr; i++)
			src.dev[i] = src.dev[0];
		if (nr == 3) {
			NEED_OK(mount_at(&src, mnt), "three devices");
			NEED_OK(do_umount(mnt, 0), "umount");
			continue;
		}
		refused(mount_at(&src, mnt), -EINVAL, "wrong number");
	}
	/* And where the image has no device table at all */
	src = (struct source){ .path = image_path("default-4096"), .nr_dev = 1 };
	src.dev[0] = data_path(img->dev[0]);
	refused(mount_at(&src, mnt), -EINVAL, "a device too many");
}

/* Without devices the table describes the primary, and this one is too short */
static void missing_devices(const void *arg)
{
	const struct image *img = image_find("dev3-4096-4096");
	const char *mnt = new_dir("mnt");
	char byte;
	int ret, fd;

	(void)arg;
	ret = mount_file(data_path(img->image), mnt, NULL);
	if (ret) {
		CHECK(ret == -EUCLEAN || ret == -EINVAL, "mount: %s (%d)",
		      err_name(ret), ret);
		CHECK(last_log[0], "nothing in the log");
		return;
	}
	fd = open_need(below(mnt, "alt"), O_RDONLY);
	CHECK(read(fd, &byte, 1) < 0 && errno == EUCLEAN,
	      "a device that is not there was read: %m");
}

static void refused_devices(const void *arg)
{
	const struct image *img = image_find("blobdev-4096");
	const char *mnt = new_dir("mnt"), *fifo = tmp_path("fifo");
	struct source src;

	(void)arg;
	image_source(img, VIA_PATH, &src);
	NEED(!mkfifo(fifo, 0600), "mkfifo: %m");
	src.dev[0] = "/";
	refused(mount_at(&src, mnt), -ENOTBLK, "directory");
	src.dev[0] = "/dev/null";
	refused(mount_at(&src, mnt), -ENOTBLK, "char device");
	src.dev[0] = fifo;
	refused(mount_at(&src, mnt), -ENOTBLK, "fifo");
	src.dev[0] = tmp_path("none");
	refused(mount_at(&src, mnt), -ENOENT, "nothing");
	image_source(img, VIA_PATH, &src);
	NEED_OK(mount_at(&src, mnt), "the right one");
}

#define MANY	100

/* More names than a page of options holds, and more than anybody has tried */
static void many_devices(const void *arg)
{
	enum via via = *(const enum via *)arg;
	const char *mnt = new_dir("mnt");
	int fs = fs_open("erofs"), i, mfd;
	char name[64];

	NEED_OK(cfg_str(fs, "source", data_path("many.img")), "source");
	for (i = 0; i < MANY; i++) {
		const char *path;

		snprintf(name, sizeof(name), "many.dev/%03d", i);
		path = data_path(name);
		if (via == VIA_FD) {
			int fd = open_need(path, O_RDONLY);

			NEED_OK(cfg_fd(fs, "device", fd), name);
			close(fd);
		} else {
			NEED_OK(cfg_str(fs, "device", path), name);
		}
	}
	NEED_OK(cfg_create(fs), "create");
	mfd = fs_mount(fs, 0);
	NEED_OK(mfd, "fsmount");
	NEED_OK(attach(mfd, mnt), "attach");
	tree_equals(mnt, data_path("many.dump"));
	close(mfd);
	close(fs);
	CHECK_ERR(do_umount(mnt, 0), 0, "umount");
}

static const enum via many_by_path = VIA_PATH, many_by_fd = VIA_FD;

/* A name longer than a parameter's value may be goes by descriptor */
static void long_device_name(const void *arg)
{
	const struct image *img = image_find("blobdev-4096");
	const char *mnt = new_dir("mnt");
	char dir[PATH_MAX], path[PATH_MAX + 16];
	int fs = fs_open("erofs"), fd, mfd;
	size_t len;

	(void)arg;
	snprintf(dir, sizeof(dir), "%s/", tmp_path("long"));
	mkdir(dir, 0755);
	len = strlen(dir);
	memset(dir + len, 'd', 250);
	dir[len + 250] = 0;
	NEED(!mkdir(dir, 0755), "mkdir: %m");
	snprintf(path, sizeof(path), "%s/dev1", dir);
	copy_file(data_path(img->dev[0]), path);
	NEED_OK(cfg_str(fs, "source", data_path(img->image)), "source");
	CHECK_ERR(cfg_str(fs, "device", path), -EINVAL, "a long name");
	fd = open_need(path, O_RDONLY);
	NEED_OK(cfg_fd(fs, "device", fd), "by descriptor");
	NEED_OK(cfg_create(fs), "create");
	mfd = fs_mount(fs, 0);
	NEED_OK(mfd, "fsmount");
	NEED_OK(attach(mfd, mnt), "attach");
	tree_equals(mnt, dump_path("blobdev-4096"));
}

/* --------------------------------------------------------------- fsoffset */

#define SECOND_AT	(4 << 20)

/* One file, two filesystems: 4 KiB blocks first, 512-byte blocks after it */
static const char *two_in_one(void)
{
	const char *path = tmp_path("two.img");

	NEED(!run("cp %s %s && truncate -s %d %s && cat %s >> %s",
		  image_path("default-4096"), path, SECOND_AT, path,
		  image_path("chunk8-4k-512"), path), "two.img");
	return path;
}

static void two_offsets(const void *arg)
{
	enum via via = *(const enum via *)arg;
	const char *a = new_dir("a"), *b = new_dir("b"), *path = two_in_one();
	char loop[64];
	int hold = -1;

	if (via == VIA_LOOP) {
		hold = loop_open(path, loop, sizeof(loop));
		NEED_OK(hold, "loop device");
		path = loop;
	}
	NEED_OK(mount_file(path, a, NULL), "first");
	NEED_OK(mount_file(path, b, "fsoffset=4194304"), "second");
	CHECK(dev_of(a) != dev_of(b), "both have the same superblock");
	tree_equals(a, dump_path("default-4096"));
	tree_equals(b, dump_path("chunk8-4k-512"));
	NEED_OK(do_umount(a, 0), "umount");
	drop_caches();
	tree_equals(b, dump_path("chunk8-4k-512"));
	NEED_OK(do_umount(b, 0), "umount");
	if (hold >= 0)
		close(hold);
}

static const enum via offsets_of_file = VIA_PATH, offsets_of_block = VIA_LOOP;

static void bad_offsets(const void *arg)
{
	static const char * const bad[] = {
		"fsoffset=1", "fsoffset=2048", "fsoffset=4194305",
		"fsoffset=x", "fsoffset=-4096", "fsoffset=",
		"fsoffset=18446744073709547520", "fsoffset=1099511627776",
		"fsoffset=4096",
	};
	const char *mnt = new_dir("mnt"), *path = tmp_path("file.img");
	char loop[64];
	size_t i;
	int hold;

	(void)arg;
	/* At these offsets there is no image of 4 KiB blocks: zeros, or nothing */
	NEED(!run("cp %s %s && truncate -s +1M %s && dd if=%s of=%s bs=4096 "
		  "seek=1 conv=notrunc status=none", image_path("default-4096"),
		  path, path, image_path("default-512"), path), "file.img");
	hold = loop_open(path, loop, sizeof(loop));
	NEED_OK(hold, "loop device");
	for (i = 0; i < ARRAY_SIZE(bad) - 1; i++) {
		refused(mount_file(path, mnt, bad[i]), -EINVAL, bad[i]);
		refused(mount_file(loop, mnt, bad[i]), -EINVAL, bad[i]);
	}
	/* Where one is, with blocks that fit, it mounts */
	NEED_OK(mount_file(path, mnt, bad[i]), bad[i]);
	tree_equals(mnt, dump_path("default-512"));
	close(hold);
}

/* --------------------------------------------------------------- sharing */

static bool resident(const char *path, size_t size)
{
	int fd = open_need(path, O_RDONLY);
	size_t pages = (size + 4095) / 4096, i;
	unsigned char vec[256] = { 0 };
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	bool all = true;

	NEED(map != MAP_FAILED && pages <= sizeof(vec), "mmap: %m");
	NEED(!mincore(map, size, vec), "mincore: %m");
	for (i = 0; i < pages; i++)
		all = all && (vec[i] & 1);
	munmap(map, size);
	close(fd);
	return all;
}

static void shared_superblock(const void *arg)
{
	const char *a = new_dir("a"), *b = new_dir("b"), *c = new_dir("c");
	const char *path = tmp_path("shared.img");

	(void)arg;
	copy_file(image_path(images[0]), path);
	NEED_OK(mount_file(path, a, NULL), "first");
	NEED_OK(mount_via(path, VIA_FD, b, NULL), "second");
	NEED_OK(mount_via(path, VIA_PROC, c, NULL), "third");
	CHECK(dev_of(a) == dev_of(b), "by descriptor: another superblock");
	CHECK(dev_of(a) == dev_of(c), "by /proc: another superblock");
	CHECK(!resident(below(b, "exact"), PATTERN_EXACT_SIZE),
	      "in memory before anybody has read it");
	file_is_pattern(below(a, "exact"), PATTERN_EXACT_SEED,
			PATTERN_EXACT_SIZE);
	CHECK(resident(below(b, "exact"), PATTERN_EXACT_SIZE),
	      "read by one, not in memory for the other");
	NEED_OK(do_umount(a, 0), "umount");
	NEED_OK(do_umount(c, 0), "umount");
	tree_equals(b, dump_path(images[0]));
}

static void not_shared(const void *arg)
{
	const char *a = new_dir("a"), *b = new_dir("b");
	const char *path = tmp_path("one.img"), *copy = tmp_path("two.img");
	const char *link = tmp_path("link.img");

	(void)arg;
	copy_file(image_path(images[0]), path);
	copy_file(image_path(images[0]), copy);
	NEED(!run("ln %s %s", path, link), "ln");
	NEED_OK(mount_file(path, a, NULL), "first");
	NEED_OK(mount_file(copy, b, NULL), "a copy");
	CHECK(dev_of(a) != dev_of(b), "a copy shares the superblock");
	NEED_OK(do_umount(b, 0), "umount");
	NEED_OK(mount_file(path, b, "noacl"), "other options");
	CHECK(dev_of(a) != dev_of(b), "other options share the superblock");
	NEED_OK(do_umount(b, 0), "umount");
	NEED_OK(mount_file(path, b, "nouser_xattr"), "other options");
	CHECK(dev_of(a) != dev_of(b), "other options share the superblock");
	NEED_OK(do_umount(b, 0), "umount");
	NEED_OK(mount_file(link, b, NULL), "another name");
	CHECK(dev_of(a) == dev_of(b), "another name of one file is not shared");
}

static void shared_devices(const void *arg)
{
	const struct image *img = image_find("blobdev-4096");
	const char *a = new_dir("a"), *b = new_dir("b"), *c = new_dir("c");
	const char *copy = tmp_path("dev1");
	struct source src;

	(void)arg;
	copy_file(data_path(img->dev[0]), copy);
	image_source(img, VIA_PATH, &src);
	NEED_OK(mount_at(&src, a), "first");
	src.dev_via[0] = VIA_FD;
	NEED_OK(mount_at(&src, b), "the same");
	src.dev[0] = copy;
	NEED_OK(mount_at(&src, c), "other device");
	CHECK(dev_of(a) == dev_of(b), "the same devices are not shared");
	CHECK(dev_of(a) != dev_of(c), "other devices share the superblock");
	tree_equals(c, dump_path("blobdev-4096"));
}

static void shared_block(const void *arg)
{
	const char *a = new_dir("a"), *b = new_dir("b");
	char loop[64];
	int hold = loop_open(image_path(images[0]), loop, sizeof(loop));

	(void)arg;
	NEED_OK(hold, "loop device");
	NEED_OK(mount_file(loop, a, NULL), "first");
	NEED_OK(mount_file(loop, b, NULL), "second");
	CHECK(dev_of(a) == dev_of(b), "one device, two superblocks");
	NEED_OK(do_umount(a, 0), "umount");
	tree_equals(b, dump_path(images[0]));
	NEED_OK(do_umount(b, 0), "umount");
	close(hold);
}

/* Hands a descriptor from one process to another */
static void send_fd(int sock, int fd)
{
	char room[CMSG_SPACE(sizeof(fd))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = room, .msg_controllen = sizeof(room),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	NEED(sendmsg(sock, &msg, 0) == 1, "sendmsg: %m");
}

static int receive_fd(int sock)
{
	char room[CMSG_SPACE(sizeof(int))] = { 0 }, byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = room, .msg_controllen = sizeof(room),
	};
	int fd;

	NEED(recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&msg),
	     "no descriptor from the other process");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* Runs fn in a process of its own; the descriptor that it gives */
static int in_process(int (*fn)(int arg), int arg)
{
	int pair[2], status, fd;
	pid_t pid;

	NEED(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "%m");
	pid = fork();
	if (!pid) {
		send_fd(pair[0], fn(arg));
		_exit(0);
	}
	close(pair[0]);
	fd = receive_fd(pair[1]);
	NEED(waitpid(pid, &status, 0) == pid && !status, "status %x", status);
	close(pair[1]);
	return fd;
}

/* A context that belongs to a user namespace, as container runtimes pass them */
static int context_of(int userns)
{
	NEED(!setns(userns, CLONE_NEWUSER) && !unshare(CLONE_NEWNS), "%m");
	return fs_open("erofs");
}

/*
 * Its mount, made by us; or -errno. Newer kernels refuse that for every type that
 * a namespace may not mount by itself, and say so.
 */
static int mount_for(int userns, const char *path, dev_t *dev)
{
	int fs = in_process(context_of, userns), mnt, err;
	struct stat st;

	NEED_OK(cfg_str(fs, "source", path), "source");
	err = cfg_create(fs);
	if (err < 0) {
		fs_log(fs, last_log, sizeof(last_log));
		CHECK(last_log[0], "nothing in the log");
		close(fs);
		return err;
	}
	mnt = fs_mount(fs, 0);
	NEED_OK(mnt, "fsmount");
	close(fs);
	NEED(!fstat(mnt, &st), "%m");
	*dev = st.st_dev;
	return mnt;
}

/*
 * A user namespace has a superblock of its own, where the image's owners are
 * those of the namespace; all mounts for one namespace share it.
 */
static void shared_by_userns(const void *arg)
{
	const char *a = new_dir("a"), *path = tmp_path("shared.img");
	int ns1, ns2, m1, m2, m3;
	dev_t d1, d2, d3;
	struct stat st;

	(void)arg;
	copy_file(image_path(images[0]), path);
	ns1 = make_userns(100000);
	ns2 = make_userns(200000);
	NEED_OK(mount_file(path, a, NULL), "first");
	m1 = mount_for(ns1, path, &d1);
	m2 = mount_for(ns2, path, &d2);
	m3 = mount_for(ns1, path, &d3);
	if (m1 == -EPERM && strstr(last_log, "user namespace")) {
		tap_note("this kernel refuses it: %s", last_log);
		CHECK(m2 == -EPERM && m3 == -EPERM, "%s and %s", err_name(m2),
		      err_name(m3));
		tree_equals(a, dump_path(images[0]));
		return;
	}
	NEED(m1 >= 0 && m2 >= 0 && m3 >= 0, "mounts: %s, %s, %s", err_name(m1),
	     err_name(m2), err_name(m3));
	CHECK(dev_of(a) != d1 && d1 != d2 && dev_of(a) != d2,
	      "two user namespaces share a superblock");
	CHECK(d1 == d3, "one user namespace has two superblocks");
	NEED(!fstatat(m1, "modes/owned", &st, 0), "%m");
	CHECK(st.st_uid == 101000 && st.st_gid == 101001, "owner is %u:%u",
	      st.st_uid, st.st_gid);
	NEED(!fstatat(m2, "modes/owned", &st, 0), "%m");
	CHECK(st.st_uid == 201000 && st.st_gid == 201001, "owner is %u:%u",
	      st.st_uid, st.st_gid);
	/* What the namespace has no number for is nobody's */
	NEED(!fstatat(m1, "modes/owned-70000", &st, 0), "%m");
	CHECK(st.st_uid == 65534, "owner is %u", st.st_uid);
	NEED_OK(attach(m2, new_dir("b")), "attach");
	file_is_pattern(tmp_path("b/exact"), PATTERN_EXACT_SEED,
			PATTERN_EXACT_SIZE);
	close(m1);
	close(m3);
	tree_equals(a, dump_path(images[0]));
}

/* A block device has one superblock, of one user namespace */
static void block_of_userns(const void *arg)
{
	const char *a = new_dir("a");
	int ns = make_userns(100000), hold;
	char loop[64];
	dev_t dev;
	int err;

	(void)arg;
	hold = loop_open(image_path(images[0]), loop, sizeof(loop));
	NEED_OK(hold, "loop device");
	NEED_OK(mount_file(loop, a, NULL), "first");
	err = mount_for(ns, loop, &dev);
	CHECK(err == -EBUSY || (err == -EPERM &&
				strstr(last_log, "user namespace")),
	      "for another namespace: %s", err_name(err));
	NEED_OK(do_umount(a, 0), "umount");
	if (err == -EPERM) {
		CHECK_ERR(mount_for(ns, loop, &dev), -EPERM, "alone");
		return;
	}
	NEED(mount_for(ns, loop, &dev) >= 0, "for the namespace alone");
	CHECK_ERR(mount_file(loop, a, NULL), -EBUSY, "for the first namespace");
	close(hold);
}

/* Another task in every way but the user namespace; the mount is the same */
static int mount_as_other(int how)
{
	const struct source src = { .path = tmp_path("shared.img"),
				    .via = how ? VIA_FD : VIA_PATH };
	int mnt;

	NEED(!unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_FS),
	     "unshare: %m");
	/* The capabilities stay, the file's owner is another user */
	NEED(!setfsgid(1000) && !setfsuid(1000), "set ids");
	mnt = mount_detached(&src);
	NEED_OK(mnt, "mount");
	return mnt;
}

static void shared_by_others(const void *arg)
{
	const char *a = new_dir("a");
	struct stat st;
	int how, mnt;

	(void)arg;
	need_namespace("net");
	need_namespace("uts");
	copy_file(image_path(images[0]), tmp_path("shared.img"));
	NEED_OK(mount_file(tmp_path("shared.img"), a, NULL), "first");
	for (how = 0; how < 2; how++) {
		mnt = in_process(mount_as_other, how);
		NEED(!fstat(mnt, &st), "%m");
		CHECK(st.st_dev == dev_of(a),
		      "other namespaces and ids have another superblock");
		close(mnt);
	}
	tree_equals(a, dump_path(images[0]));
}

/* --------------------------------------------------- traces and lifetime */

static void no_traces(const void *arg)
{
	const char *mnt = new_dir("mnt");
	char *before = slurp("/proc/partitions", NULL), *after;
	int loops = loop_count();

	(void)arg;
	NEED_OK(mount_file(image_path(images[0]), mnt, NULL), "mount");
	after = slurp("/proc/partitions", NULL);
	NEED(before && after, "/proc/partitions: %m");
	CHECK(!strcmp(before, after), "/proc/partitions has changed:\n%s", after);
	CHECK(loop_count() == loops, "a loop device is in use");
	CHECK(run("losetup -a | grep -q erofs") &&
	      run("losetup -a | grep -q %s", images[0]), "losetup shows it");
	tree_equals(mnt, dump_path(images[0]));
}

static void held_until_unmount(const void *arg)
{
	const char *lower = new_mount("lower", "tmpfs", NULL);
	const char *mnt = new_dir("mnt"), *path = below(lower, "img");
	int fd;

	(void)arg;
	copy_file(image_path(images[0]), path);
	NEED_OK(mount_file(path, mnt, NULL), "mount");
	CHECK_ERR(do_umount(lower, 0), -EBUSY, "umount of what is in use");
	NEED_OK(do_umount(mnt, 0), "umount");
	CHECK_ERR(do_umount(lower, 0), 0, "umount of the lower filesystem");

	/* A lazily unmounted one holds it until its last file is closed */
	NEED_OK(do_mount("none", lower, "tmpfs", 0, NULL), "tmpfs");
	copy_file(image_path(images[0]), path);
	NEED_OK(mount_file(path, mnt, NULL), "mount");
	fd = open_need(below(mnt, "exact"), O_RDONLY);
	NEED_OK(do_umount(mnt, 2 /* MNT_DETACH */), "lazy umount");
	CHECK_ERR(do_umount(lower, 0), -EBUSY, "umount of what is in use");
	close(fd);
	CHECK_ERR(do_umount(lower, 0), 0, "umount of the lower filesystem");
}

static void released_on_failure(const void *arg)
{
	const char *lower = new_mount("lower", "tmpfs", NULL);
	const char *mnt = new_dir("mnt"), *path = below(lower, "img");
	struct source src;
	int fs, fd;

	(void)arg;
	NEED(!run("head -c 8192 /dev/zero > %s", path), "zeros");
	refused(mount_file(path, mnt, NULL), -EINVAL, "zeros");
	refused(mount_via(path, VIA_FD, mnt, NULL), -EINVAL, "zeros");
	CHECK_ERR(do_umount(lower, 0), 0, "after a failed mount");

	/* A device, when it is the primary that fails, and the other way round */
	NEED_OK(do_mount("none", lower, "tmpfs", 0, NULL), "tmpfs");
	copy_file(data_path("blobdev-4096.img"), path);
	image_source(image_find("blobdev-4096"), VIA_PATH, &src);
	src.path = path;
	src.dev[1] = path;
	src.nr_dev = 2;
	refused(mount_at(&src, mnt), -EINVAL, "a device too many");
	src.nr_dev = 1;
	src.dev[0] = tmp_path("none");
	refused(mount_at(&src, mnt), -ENOENT, "no device");
	CHECK_ERR(do_umount(lower, 0), 0, "after a failed device");

	/* A context that is given up */
	NEED_OK(do_mount("none", lower, "tmpfs", 0, NULL), "tmpfs");
	copy_file(image_path(images[0]), path);
	fs = fs_open("erofs");
	fd = open_need(path, O_RDONLY);
	NEED_OK(cfg_fd(fs, "source", fd), "source");
	NEED_OK(cfg_fd(fs, "device", fd), "device");
	close(fd);
	CHECK_ERR(do_umount(lower, 0), -EBUSY, "held by the context");
	close(fs);
	CHECK_ERR(do_umount(lower, 0), 0, "after the context");
}

/* ---------------------------------------------------------------- sealed */

static int try_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void check_sealed(const char *path, const char *what)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	CHECK_ERR(try_write(path), -ETXTBSY, what);
	CHECK(fd < 0 && errno == ETXTBSY, "%s: open for both: %m", what);
	CHECK(truncate(path, 0) && errno == ETXTBSY, "%s: truncate: %m", what);
}

static void sealed(const void *arg)
{
	enum via via = *(const enum via *)arg;
	const char *path = tmp_path("sealed.img"), *mnt = new_dir("mnt");
	int fd, ret;

	copy_file(image_path(images[0]), path);
	NEED_OK(mount_via(path, via, mnt, "sealed"), "mount");
	check_sealed(path, "while mounted");
	tree_equals(mnt, dump_path(images[0]));
	NEED_OK(do_umount(mnt, 0), "umount");
	CHECK_ERR(try_write(path), 0, "after the mount");

	fd = open_need(path, O_WRONLY);
	ret = mount_via(path, via, mnt, "sealed");
	CHECK(ret == -ETXTBSY || ret == -EINVAL, "open for writing: %s (%d)",
	      err_name(ret), ret);
	CHECK(last_log[0], "nothing in the log");
	close(fd);

	/* Without the option it is the writer's own risk */
	NEED_OK(mount_via(path, via, mnt, NULL), "mount");
	CHECK_ERR(try_write(path), 0, "not sealed");
	NEED_OK(do_umount(mnt, 0), "umount");
}

static const enum via sealed_by_path = VIA_PATH, sealed_by_fd = VIA_FD;

static void sealed_device(const void *arg)
{
	const struct image *img = image_find("blobdev-4096");
	const char *dev = tmp_path("dev1"), *mnt = new_dir("mnt");
	struct source src;
	int fd;

	(void)arg;
	copy_file(data_path(img->dev[0]), dev);
	image_source(img, VIA_PATH, &src);
	src.dev[0] = dev;
	src.opts = "sealed";
	NEED_OK(mount_at(&src, mnt), "mount");
	check_sealed(dev, "the device");
	tree_equals(mnt, dump_path("blobdev-4096"));
	NEED_OK(do_umount(mnt, 0), "umount");
	CHECK_ERR(try_write(dev), 0, "after the mount");
	/* The primary must be free again when it is a device that is refused */
	src.path = tmp_path("primary");
	copy_file(data_path(img->image), src.path);
	fd = open_need(dev, O_WRONLY);
	CHECK(mount_at(&src, mnt) < 0, "sealed with a writer");
	CHECK_ERR(try_write(src.path), 0, "primary after a failed mount");
	close(fd);
}

static void sealed_elsewhere(const void *arg)
{
	const char *path = tmp_path("bad.img"), *mnt = new_dir("mnt");
	struct source src = { .via = VIA_LOOP, .opts = "sealed" };

	(void)arg;
	src.path = image_path(images[0]);
	refused(mount_at(&src, mnt), -EINVAL, "sealed block device");
	NEED(!run("head -c 8192 /dev/zero > %s", path), "zeros");
	refused(mount_file(path, mnt, "sealed"), -EINVAL, "zeros");
	CHECK_ERR(try_write(path), 0, "after a failed mount");
}

static const struct tap_case cases[] = {
	TAP_CASE(on_ext4),
	TAP_CASE(on_ext4_1k),
	TAP_CASE(on_xfs),
	TAP_CASE(on_tmpfs),
	TAP_CASE(on_tmpfs_huge),
	TAP_CASE(on_ramfs),
	TAP_CASE(on_memfd),
	TAP_CASE(on_overlayfs),
	TAP_CASE(on_squashfs),
	TAP_CASE(on_fuse),
	TAP_CASE(on_fuse_direct),
	TAP_CASE(on_9p),
	TAP_CASE(on_nfs),
	TAP_CASE(into_itself_ext4),
	TAP_CASE(into_itself_nfs),
	TAP_CASE(unlinked),
	TAP_CASE(source_shown),
	TAP_CASE(memfd_shown),
	TAP_CASE(far_shown),
	TAP_CASE(refused_fds),
	TAP_CASE(secret_memory),
	TAP_CASE(rdwr_fd),
	TAP_CASE(refused_paths),
	TAP_CASE(odd_regular),
	TAP_CASE(second_source),
	TAP_CASE(no_source),
	TAP_CASE(opener_credentials),
	TAP_CASE(nested),
	TAP_CASE(nested_device),
	TAP_CASE(nested_in_block),
	TAP_CASE(overlays_above),
	TAP_CASE(alternating_stack),
	TAP_CASE(stack_to_the_end),
	TAP_CASE(wrong_device_count),
	TAP_CASE(missing_devices),
	TAP_CASE(refused_devices),
	{ .name = "many_devices.path", .fn = many_devices, .arg = &many_by_path },
	{ .name = "many_devices.fd", .fn = many_devices, .arg = &many_by_fd },
	TAP_CASE(long_device_name),
	{ .name = "two_offsets.file", .fn = two_offsets,
	  .arg = &offsets_of_file },
	{ .name = "two_offsets.block", .fn = two_offsets,
	  .arg = &offsets_of_block },
	TAP_CASE(bad_offsets),
	TAP_CASE(shared_superblock),
	TAP_CASE(not_shared),
	TAP_CASE(shared_devices),
	TAP_CASE(shared_block),
	TAP_CASE(shared_by_userns),
	TAP_CASE(block_of_userns),
	TAP_CASE(shared_by_others),
	TAP_CASE(no_traces),
	TAP_CASE(held_until_unmount),
	TAP_CASE(released_on_failure),
	{ .name = "sealed.path", .fn = sealed, .arg = &sealed_by_path },
	{ .name = "sealed.fd", .fn = sealed, .arg = &sealed_by_fd },
	TAP_CASE(sealed_device),
	TAP_CASE(sealed_elsewhere),
};

int main(int argc, char **argv)
{
	return tap_run("sources", cases, ARRAY_SIZE(cases), argc, argv);
}

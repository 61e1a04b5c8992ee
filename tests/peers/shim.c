// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded into programs of other projects, which bring a tmpfs of their own
 * for the files that they ask about, so that they ask about an EROFS mount
 * instead. Their sources stay as they are.
 *
 * Each place where a program mounts a tmpfs is a "slot", named by its path. In a
 * first run (PEERS_MODE=record) slots are folders, mounted by bind, in which the
 * program leaves what it makes: nothing is deleted. They are made images of, and
 * in the second run (PEERS_MODE=erofs) the images are mounted on the slots. A
 * call that is to make what the image has, just as it is wanted, succeeds then;
 * deleting counts as cleaning up; all others give what the kernel gives.
 * PEERS_MODE=overlay puts an overlay of a new tmpfs on the image.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include "mountd.h"

#define SLOTS "/peers/slots/"

static enum { OFF, RECORD, DIRECT, OVERLAY } mode;
typedef long (*syscall_fn)(long nr, ...);

/* Constructors of libraries may come before the one below. */
static syscall_fn next_syscall(void)
{
	static syscall_fn fn;

	if (!fn)
		fn = (syscall_fn)dlsym(RTLD_NEXT, "syscall");
	return fn;
}

#define real_syscall next_syscall()

static void __attribute__((constructor)) start(void)
{
	const char *s = getenv("PEERS_MODE");

	if (!s)
		return;
	if (!strcmp(s, "record"))
		mode = RECORD;
	else if (!strcmp(s, "erofs"))
		mode = DIRECT;
	else if (!strcmp(s, "overlay"))
		mode = OVERLAY;
	/* What a program has printed stays when it executes another by mistake. */
	setvbuf(stdout, NULL, _IOLBF, 0);
}

/* ---- mounts --------------------------------------------------------------------- */

/* The path that a mount goes to, as the name of a folder. */
static bool slot_path(char out[PATH_MAX], const char *target)
{
	char full[PATH_MAX], *p;

	if (!realpath(target, full) || strlen(full) + sizeof(SLOTS) > PATH_MAX)
		return false;
	for (p = full; *p; p++)
		if (*p == '/')
			*p = '_';
	snprintf(out, PATH_MAX, "%s%s", SLOTS, full);
	return true;
}

static int attach(int mnt, const char *target)
{
	int ret = real_syscall(SYS_move_mount, mnt, "", AT_FDCWD, target,
			       4 /* MOVE_MOUNT_F_EMPTY_PATH */);

	close(mnt);
	return ret;
}

/* What mount_setattr(2) and fsmount(2) call the flags of mount(2). */
static unsigned int mount_attr(unsigned long flags)
{
	unsigned int attr = flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);

	if (flags & MS_NOATIME)
		attr |= 0x10;
	if (flags & MS_STRICTATIME)
		attr |= 0x20;
	if (flags & MS_NODIRATIME)
		attr |= 0x80;
	return attr;
}

static int receive_fd(int sock)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg) {
		errno = EINVAL;
		return -1;
	}
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

/* A mount of the image, from tests/peers/mountd.c. */
static int mount_image(const char *slot, const char *target, unsigned long flags)
{
	struct sockaddr_un addr = { AF_UNIX, MOUNTD_SOCKET };
	struct request req = { mount_attr(flags), "" };
	int mnt = -1, sock;
	char byte;

	slot += strlen(SLOTS);
	if (strlen(slot) >= sizeof(req.slot))
		return -1;
	strcpy(req.slot, slot);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!connect(sock, (void *)&addr, sizeof(addr)) &&
	    send(sock, &req, sizeof(req), MSG_NOSIGNAL) == sizeof(req))
		mnt = receive_fd(sock);
	/* Until its end: a descriptor over there would keep the mount busy. */
	while (mnt >= 0 && recv(sock, &byte, 1, 0) > 0)
		;
	close(sock);
	return mnt < 0 ? -1 : attach(mnt, target);
}

/* Only what is in it is of interest, not how it is mounted. */
static int mount_record(const char *slot, const char *target)
{
	int mnt;

	real_syscall(SYS_mkdirat, AT_FDCWD, slot, 0777);
	mnt = real_syscall(SYS_open_tree, AT_FDCWD, slot, 1 /* OPEN_TREE_CLONE */);
	return mnt < 0 ? -1 : attach(mnt, target);
}

static int set_string(int fs, const char *key, const char *dir, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", dir, name);
	return real_syscall(SYS_fsconfig, fs, 1 /* FSCONFIG_SET_STRING */, key, path, 0);
}

/* The tmpfs goes where it should, and then gives its place to the overlay. */
static int mount_overlay(const char *slot, const char *target, unsigned long flags,
			 const void *data)
{
	char dir[PATH_MAX];
	struct stat st;
	int fs, mnt;

	if (real_syscall(SYS_mount, "upper", target, "tmpfs", flags & ~MS_RDONLY, data))
		return -1;
	if (stat(target, &st) || !realpath(target, dir))
		return -1;
	strncat(dir, "/u", sizeof(dir) - strlen(dir) - 1);
	real_syscall(SYS_mkdirat, AT_FDCWD, dir, 0755);
	real_syscall(SYS_fchmodat, AT_FDCWD, dir, st.st_mode & 07777);
	dir[strlen(dir) - 1] = 'w';
	real_syscall(SYS_mkdirat, AT_FDCWD, dir, 0755);
	dir[strlen(dir) - 2] = '\0';
	fs = real_syscall(SYS_fsopen, "overlay", 0);
	if (fs < 0)
		return -1;
	set_string(fs, "source", "peers", "");
	if (set_string(fs, "lowerdir", slot, "") ||
	    set_string(fs, "upperdir", dir, "/u") || set_string(fs, "workdir", dir, "/w") ||
	    real_syscall(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0)) {
		close(fs);
		return -1;
	}
	mnt = real_syscall(SYS_fsmount, fs, 0, mount_attr(flags));
	close(fs);
	if (mnt < 0 || umount2(target, MNT_DETACH))
		return -1;
	return attach(mnt, target);
}

/* Never an overlay, which the kernel maps no owners of. */
static const char image[] = "image";

static int mount_slot(const char *target, unsigned long flags, const void *data)
{
	char slot[PATH_MAX];

	if (!slot_path(slot, target))
		return -1;
	if (mode == RECORD)
		return mount_record(slot, target);
	if (mode == OVERLAY && data != image)
		return mount_overlay(slot, target, flags, data);
	return mount_image(slot, target, flags);
}

int mount(const char *source, const char *target, const char *type,
	  unsigned long flags, const void *data)
{
	int ret;

	if (mode && type && !(flags & (MS_REMOUNT | MS_BIND | MS_MOVE)) &&
	    (!strcmp(type, "tmpfs") || !strcmp(type, "ramfs")))
		return mount_slot(target, flags, data);
	ret = real_syscall(SYS_mount, source, target, type, flags, data);
	/* A user namespace may not change the superblock, which is not its own. */
	if (ret && mode == DIRECT && errno == EPERM &&
	    (flags & (MS_REMOUNT | MS_BIND)) == MS_REMOUNT)
		ret = real_syscall(SYS_mount, source, target, type, flags | MS_BIND, data);
	return ret;
}

/* Programs that make an ext4 image by shell commands and mount it. */
int system(const char *command)
{
	int (*next)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "system");
	char target[PATH_MAX];

	if (mode && command && !strncmp(command, "mkfs.ext4 ", 10))
		return 0;
	if (mode && command &&
	    sscanf(command, "mount -o loop -t ext4 %*s %4095s", target) == 1)
		return mount_slot(target, 0, image) ? 0x100 : 0;
	return next(command);
}

/* There are no wrappers for these calls; "lower" is an image with a file "test". */
long syscall(long nr, ...)
{
	long a[6];
	va_list ap;
	int i;

	va_start(ap, nr);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (mode && nr == SYS_fsconfig && a[2] && !strcmp((char *)a[2], "lowerdir"))
		a[3] = (long)SLOTS "lower";
	return real_syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- files ---------------------------------------------------------------------- */

/* Is what was to be made there, and of that kind? */
static int made(int ret, int dfd, const char *path, mode_t kind)
{
	int err = errno;
	struct stat st;

	if (!ret || !mode || (err != EEXIST && err != EROFS))
		return ret;
	if (!fstatat(dfd, path, &st, AT_SYMLINK_NOFOLLOW) && (st.st_mode & S_IFMT) == kind)
		return 0;
	errno = err;
	return ret;
}

int mkdirat(int dfd, const char *path, mode_t perm)
{
	return made(real_syscall(SYS_mkdirat, dfd, path, perm), dfd, path, S_IFDIR);
}

int mkdir(const char *path, mode_t perm)
{
	return mkdirat(AT_FDCWD, path, perm);
}

int mknodat(int dfd, const char *path, mode_t perm, dev_t dev)
{
	mode_t kind = perm & S_IFMT ? perm & S_IFMT : S_IFREG;

	return made(real_syscall(SYS_mknodat, dfd, path, perm, (unsigned int)dev),
		    dfd, path, kind);
}

int mknod(const char *path, mode_t perm, dev_t dev)
{
	return mknodat(AT_FDCWD, path, perm, dev);
}

int mkfifo(const char *path, mode_t perm)
{
	return mknodat(AT_FDCWD, path, perm | S_IFIFO, 0);
}

int symlinkat(const char *to, int dfd, const char *path)
{
	int ret = made(real_syscall(SYS_symlinkat, to, dfd, path), dfd, path, S_IFLNK);
	char has[PATH_MAX] = "";

	if (ret || !mode)
		return ret;
	if (readlinkat(dfd, path, has, sizeof(has) - 1) < 0 || strcmp(has, to)) {
		errno = EEXIST;
		return -1;
	}
	return 0;
}

int symlink(const char *to, const char *path)
{
	return symlinkat(to, AT_FDCWD, path);
}

/* A file that is to be made but cannot be written is opened as it is. */
static int open_made(int dfd, const char *path, int flags, mode_t perm)
{
	int fd = real_syscall(SYS_openat, dfd, path, flags, perm);
	int err = errno;

	if (fd >= 0 || !mode || !(flags & O_CREAT))
		return fd;
	if (err == EEXIST && (flags & O_EXCL)) {
		flags &= ~O_EXCL;
		fd = real_syscall(SYS_openat, dfd, path, flags, perm);
	}
	if (fd < 0 && errno == EROFS) {
		flags &= ~(O_CREAT | O_TRUNC | O_ACCMODE);
		fd = real_syscall(SYS_openat, dfd, path, flags, perm);
		err = EROFS;
	}
	errno = err;
	return fd;
}

int openat(int dfd, const char *path, int flags, ...)
{
	va_list ap;
	mode_t perm;

	va_start(ap, flags);
	perm = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return open_made(dfd, path, flags, perm);
}

int open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t perm;

	va_start(ap, flags);
	perm = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return open_made(AT_FDCWD, path, flags, perm);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));
int openat64(int dfd, const char *path, int flags, ...) __attribute__((alias("openat")));

int creat(const char *path, mode_t perm)
{
	return open_made(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, perm);
}

/* Recorded things stay; what cannot be deleted from an image is cleaning up. */
int unlinkat(int dfd, const char *path, int flags)
{
	struct stat st;
	int ret;

	if (mode == RECORD) {
		ret = fstatat(dfd, path, &st, AT_SYMLINK_NOFOLLOW);
		if (ret || !S_ISDIR(st.st_mode) == !(flags & AT_REMOVEDIR))
			return ret;
		errno = flags & AT_REMOVEDIR ? ENOTDIR : EISDIR;
		return -1;
	}
	ret = real_syscall(SYS_unlinkat, dfd, path, flags);
	if (ret && mode == DIRECT && errno == EROFS)
		return 0;
	return ret;
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int rename(const char *from, const char *to)
{
	if (mode == RECORD)
		return access(from, F_OK);
	return real_syscall(SYS_rename, from, to);
}

int chown(const char *path, uid_t uid, gid_t gid)
{
	int ret = real_syscall(SYS_chown, path, uid, gid);
	struct stat st;

	if (ret && mode == DIRECT && errno == EROFS && !stat(path, &st) &&
	    st.st_uid == uid && st.st_gid == gid)
		return 0;
	return ret;
}

/* To a file that could be opened for reading only. */
ssize_t write(int fd, const void *data, size_t len)
{
	ssize_t ret = real_syscall(SYS_write, fd, data, len);
	char *has;

	if (ret >= 0 || mode != DIRECT || errno != EBADF)
		return ret;
	has = malloc(len + 1);
	if (has && real_syscall(SYS_read, fd, has, len) == (long)len && !memcmp(has, data, len))
		ret = len;
	free(has);
	errno = EBADF;
	return ret;
}

int ftruncate(int fd, off_t len)
{
	int ret = real_syscall(SYS_ftruncate, fd, len);
	struct stat st;

	/* EINVAL is for files that are open for reading only. */
	if (ret && mode == DIRECT && errno == EINVAL && !fstat(fd, &st) && st.st_size == len)
		return 0;
	return ret;
}

/* The same name in each run. */
char *mkdtemp(char *template)
{
	size_t len = strlen(template);

	if (!mode) {
		char *(*next)(char *) = (char *(*)(char *))dlsym(RTLD_NEXT, "mkdtemp");

		return next(template);
	}
	memcpy(template + len - 6, "peers0", 6);
	return mkdir(template, 0700) ? NULL : template;
}

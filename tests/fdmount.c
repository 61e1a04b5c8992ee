// SPDX-License-Identifier: GPL-2.0
/*
 * fdmount: mount an image by an open file descriptor, which mount(8) cannot do:
 *
 *	fdmount [-t TYPE] [-o OPTION[=VALUE]]... [-d DEVICE]... SOURCE DIR
 *
 * SOURCE and each DEVICE (the "device" option, in slot order) are opened for
 * reading here and handed over with FSCONFIG_SET_FD. What the kernel has to say
 * about it (the fs_context log) goes to stderr. Exit code: 0, or 32 like
 * mount(8) when the mount failed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/mount.h>

#define MAX_OPTIONS	64

static void print_log(int fs)
{
	char line[4096];
	ssize_t n;

	while ((n = read(fs, line, sizeof(line) - 1)) > 0)
		fprintf(stderr, "fdmount: %.*s\n", (int)n, line);
}

static int config(int fs, unsigned int cmd, const char *key,
		  const void *value, int aux)
{
	return syscall(SYS_fsconfig, fs, cmd, key, value, aux);
}

static void fail(int fs, const char *what)
{
	int err = errno;

	if (fs >= 0)
		print_log(fs);
	fprintf(stderr, "fdmount: %s: %s\n", what, strerror(err));
	exit(32);
}

static void set_fd(int fs, const char *key, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail(-1, path);
	if (config(fs, FSCONFIG_SET_FD, key, NULL, fd))
		fail(fs, path);
	/* The mount holds what it needs. */
	close(fd);
}

static void set_option(int fs, char *option)
{
	char *value = strchr(option, '=');

	if (value)
		*value++ = '\0';
	if (config(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, option,
		   value, 0))
		fail(fs, option);
}

int main(int argc, char **argv)
{
	char *options[MAX_OPTIONS], *devices[MAX_OPTIONS];
	unsigned int nr_options = 0, nr_devices = 0, i;
	const char *type = "erofs";
	int opt, fs, mnt;

	while ((opt = getopt(argc, argv, "t:o:d:")) != -1) {
		if (nr_options == MAX_OPTIONS || nr_devices == MAX_OPTIONS)
			goto usage;
		switch (opt) {
		case 't':
			type = optarg;
			break;
		case 'o':
			options[nr_options++] = optarg;
			break;
		case 'd':
			devices[nr_devices++] = optarg;
			break;
		default:
			goto usage;
		}
	}
	if (optind + 2 != argc)
		goto usage;

	fs = syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
	if (fs < 0)
		fail(fs, type);
	set_fd(fs, "source", argv[optind]);
	for (i = 0; i < nr_devices; i++)
		set_fd(fs, "device", devices[i]);
	for (i = 0; i < nr_options; i++)
		set_option(fs, options[i]);
	if (config(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		fail(fs, "create");
	mnt = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
	if (mnt < 0)
		fail(fs, "fsmount");
	print_log(fs);
	if (syscall(SYS_move_mount, mnt, "", AT_FDCWD, argv[optind + 1],
		    MOVE_MOUNT_F_EMPTY_PATH))
		fail(fs, argv[optind + 1]);
	return 0;

usage:
	fprintf(stderr,
		"usage: fdmount [-t TYPE] [-o OPTION[=VALUE]]... [-d DEVICE]... SOURCE DIR\n");
	return 2;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Hands out detached EROFS mounts over a socket: mountd SOCKET FOLDER. A request is
 * struct request below, the answer a descriptor from fsmount(2), or a message
 * without one. Only root may mount an image; with this a program in a user namespace
 * of its own has mounts whose attributes nobody has locked. It ends with its parent.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include "mountd.h"

static int mount_image(const char *path, unsigned int attr)
{
	int fs = syscall(SYS_fsopen, "erofs", 0);
	int mnt = -1;

	if (fs < 0)
		return -1;
	/* FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE */
	if (!syscall(SYS_fsconfig, fs, 1, "source", path, 0) &&
	    !syscall(SYS_fsconfig, fs, 6, NULL, NULL, 0))
		mnt = syscall(SYS_fsmount, fs, 0, attr);
	close(fs);
	return mnt;
}

static void answer(int sock, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { "", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0)
		perror("mountd: sendmsg");
}

static void serve(int sock, const char *folder)
{
	struct request req;
	char path[sizeof(req.slot) + 256];
	int fd;

	if (recv(sock, &req, sizeof(req), MSG_WAITALL) != sizeof(req))
		return;
	req.slot[sizeof(req.slot) - 1] = '\0';
	snprintf(path, sizeof(path), "%s/%s.erofs", folder, req.slot);
	fd = mount_image(path, req.attr);
	answer(sock, fd);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int listener, sock;

	if (argc != 3 || strlen(argv[1]) >= sizeof(addr.sun_path) || strlen(argv[2]) > 200)
		return 1;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	strcpy(addr.sun_path, argv[1]);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (void *)&addr, sizeof(addr)) ||
	    chmod(argv[1], 0666) || listen(listener, 16)) {
		perror("mountd");
		return 1;
	}
	while ((sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		serve(sock, argv[2]);
		close(sock);
	}
	return 1;
}

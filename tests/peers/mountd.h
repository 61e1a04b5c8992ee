/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PEERS_MOUNTD_H
#define PEERS_MOUNTD_H

/* Where the socket is, in the root of a test. */
#define MOUNTD_SOCKET "/run/mountd"

struct request {
	/* As for fsmount(2). */
	unsigned int attr;
	/* The image without its folder and ".erofs". */
	char slot[1020];
};

#endif

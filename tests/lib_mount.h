/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the functional tests share: KTAP output with one child process per
 * case, the mount system calls without libc's help, the fs_context log, loop
 * devices, comparison of a mount with an expected tree, and the table of
 * images. Nothing here is specific to one test program.
 *
 * A case runs in a child with a private mount namespace and a time limit, so
 * that a crash, a hang or a forgotten mount is the failure of that case only.
 */
#ifndef EROFS_TESTS_LIB_MOUNT_H
#define EROFS_TESTS_LIB_MOUNT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

#define KSFT_SKIP	4

/* Not in the headers of every libc that the tests are built with */
#ifndef EUCLEAN
#define EUCLEAN		117
#endif
#define EROFS_STATFS_TYPE	0xE0F5E1E2L

/* ------------------------------------------------------------------ KTAP */

struct tap_case {
	const char *name;
	void (*fn)(const void *arg);
	const void *arg;
	unsigned int timeout;		/* seconds; 0: TAP_TIMEOUT */
};

#define TAP_TIMEOUT	60
#define LONG_TIMEOUT	3600		/* with -l */
#define TAP_CASE(f)	{ .name = #f, .fn = (f) }

/* Runs the cases whose name contains one of argv[1..], or all; exit code */
int tap_run(const char *suite, const struct tap_case *cases, size_t nr,
	    int argc, char **argv);
/*
 * Two options before the names of cases, which are taken away. "-l" asks for
 * much longer runs of the same cases: long_run says so, and no case ends sooner
 * than LONG_TIMEOUT. "-d SECONDS": what goes by the clock lasts so long, in each
 * case that does, and lasting_s says it (else 0).
 */
void take_long_options(int *argc, char ***argv);
extern bool long_run;
extern unsigned int lasting_s;
/* How long a case that goes by the clock lasts, in seconds */
double lasting(double gate, double many);
/*
 * How many rounds of what is counted: many with -l; else those of a gate, which
 * in the sanitizer kernel may be more, as it runs at native speed.
 */
unsigned int how_often(unsigned int gate, unsigned int native,
		       unsigned int many);
/* It alone makes things fail on purpose, so that is how it is known */
bool sanitizer_kernel(void);
/* A whole program that cannot run: prints the plan "1..0 # SKIP" */
int tap_skip_all(const char *suite, const char *why);

void tap_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void tap_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* End the running case at once */
void tap_stop(void) __attribute__((noreturn));
void tap_skip(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));
bool tap_failed(void);

/* Wrong is noted, and the case goes on ... */
#define CHECK(cond, ...) ({						\
	bool ok_ = !!(cond);						\
	if (!ok_)							\
		tap_fail(__FILE__, __LINE__, __VA_ARGS__);		\
	ok_; })
/* ... or cannot go on */
#define NEED(cond, ...) do {						\
	if (!CHECK(cond, __VA_ARGS__))					\
		tap_stop();						\
} while (0)

/* A result that is 0, or a negative errno: must be exactly want */
#define CHECK_ERR(got, want, what) ({					\
	int got_ = (got), want_ = (want);				\
	CHECK(got_ == want_, "%s: %s (%d), not %s (%d)", (what),	\
	      err_name(got_), got_, err_name(want_), want_); })
#define NEED_OK(got, what) do {						\
	int err_ = (got);						\
	NEED(err_ >= 0, "%s: %s (%d)%s%s", (what), err_name(err_), err_,	\
	     last_log[0] ? "\n" : "", last_log);			\
} while (0)

const char *err_name(int err);
/* The fs_context log of the last mount_at(), shown when something fails */
extern char last_log[4096];

/* ------------------------------------------------- places and small tools */

/* Folder of the images: $EROFS_DATA, else /data */
const char *data_dir(void);
/* DATA/name; results of these are never freed */
const char *data_path(const char *name);
/* A file beside the running program (treedump, fusefs) */
const char *tool_path(const char *name);
/* A new empty directory on tmpfs, of this case alone */
const char *new_dir(const char *name);
/* A path in the case's own tmpfs; nothing is made there */
const char *tmp_path(const char *name);

/* DIR/name; never freed */
const char *below(const char *dir, const char *name);
/* Where the first byte of a flat file lies in its image, as FIEMAP says */
off_t data_position(const char *path);

/* A filesystem to keep images on: ext4 reads past the page cache, tmpfs cannot */
enum where { ON_TMPFS, ON_EXT4 };
const char *lower_dir(enum where where);

/* Runs a command of the shell; its exit code, 128+n for a signal */
int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool have_command(const char *name);
bool have_filesystem(const char *type);
void copy_file(const char *from, const char *to);
/* Whole file into memory (NUL added), length in *len; NULL with errno */
char *slurp(const char *path, size_t *len);
char *slurp_fd(int fd, size_t *len);
int write_str(const char *path, const char *text);
void drop_caches(void);
/* Pages of the file go, those that are in use included as far as can be */
void forget_file(const char *path);
double now_s(void);
int open_need(const char *path, int flags);
/* Does reading that byte of a mapping end in SIGBUS? */
bool touch_faults(const volatile char *p);
/* Reads len bytes at off or what there is; count, or -errno */
ssize_t pread_full(int fd, void *buf, size_t len, off_t off);

/* ------------------------------------------------------ mount system calls */

int sys_fsopen(const char *type, unsigned int flags);
int sys_fspick(int dfd, const char *path, unsigned int flags);
int sys_fsconfig(int fd, unsigned int cmd, const char *key, const void *val,
		 int aux);
int sys_fsmount(int fd, unsigned int flags, unsigned int attrs);
int sys_move_mount(int from_dfd, const char *from, int to_dfd, const char *to,
		   unsigned int flags);
int sys_open_tree(int dfd, const char *path, unsigned int flags);
struct mount_attr;
int sys_mount_setattr(int dfd, const char *path, unsigned int flags,
		      struct mount_attr *attr, size_t size);

/* The same, but 0 or a descriptor, else -errno */
int fs_open(const char *type);
int cfg_str(int fd, const char *key, const char *val);
int cfg_flag(int fd, const char *key);
int cfg_fd(int fd, const char *key, int val);
int cfg_create(int fd);
int cfg_reconfigure(int fd);
int fs_mount(int fd, unsigned int attrs);
int attach(int mnt, const char *target);
int do_mount(const char *src, const char *target, const char *type,
	     unsigned long flags, const char *data);
int do_umount(const char *target, int flags);

/* All waiting lines of the log, joined by '\n'; number of lines */
int fs_log(int fd, char *buf, size_t size);

/* --------------------------------------------------------------- sources */

enum via {
	VIA_PATH,		/* file, by its path */
	VIA_FD,			/* file, FSCONFIG_SET_FD */
	VIA_PROC,		/* file, /proc/self/fd/N */
	VIA_LOOP,		/* loop device, by its path */
	VIA_LOOP_FD,		/* loop device, FSCONFIG_SET_FD */
};

#define MAX_DEVS	8

struct source {
	const char *path;	/* image */
	enum via via;
	int nr_dev;
	const char *dev[MAX_DEVS];
	enum via dev_via[MAX_DEVS];
	const char *opts;	/* comma separated, or NULL */
};

/*
 * Mounts as fsopen() clients do and attaches it. 0 or -errno; last_log is
 * filled in both cases, and *create_only says whether it was the creation
 * (and not an option) that failed.
 */
int mount_at(const struct source *src, const char *target);
/* The same without attaching it: the mount's fd */
int mount_detached(const struct source *src);
/* A plain file mount by path */
int mount_file(const char *image, const char *target, const char *opts);
/* nest3.img at a, the nest2.img in it at b, and the nest1.img in that at c */
void mount_nested(const char *a, const char *b, const char *c);
/* A writable overlay at dir above lower; name tells it from the case's others */
void overlay_at(const char *dir, const char *lower, const char *name);

bool via_is_block(enum via via);
const char *via_name(enum via via);

/*
 * Binds path to a free loop device that goes away with its last user. The
 * descriptor keeps it; name gets "/dev/loopN". Negative errno on failure.
 */
int loop_open(const char *path, char *name, size_t size);
/* The same for O_RDONLY or O_RDWR */
int loop_open_as(int flags, const char *path, char *name, size_t size);
/* Loop devices that are bound at this moment */
int loop_count(void);

/* Skips the case in a kernel without them: "user", "net", as in /proc/self/ns */
void need_namespace(const char *type);
/* A user namespace whose ids [0, 65536) are ours from shift on: its descriptor */
int make_userns(unsigned int shift);
/* Maps the ids [0, 65536) of a detached mount to [shift, shift + 65536) */
void set_idmap(int mnt, unsigned int shift);

/* ------------------------------------------------------------ comparisons */

/* treedump of dir against the file of an expected dump; says what differs */
bool tree_equals(const char *dir, const char *dump);
/* The file against size bytes of the pattern (see pattern.h), with holes */
bool file_is_pattern(const char *path, uint64_t seed, uint64_t size);

/* mountinfo's line of a mount point: source and super options */
bool mountinfo(const char *target, char *source, size_t source_size,
	       char *opts, size_t opts_size);

/* ----------------------------------------------- a store that does not answer */

/* More than a workqueue lets run at once: 256, and 1024 on newer kernels */
#define STUCK_READS	1200

/* Pages of big, each of which is asked for by itself, while nobody waits */
void stuck_ask(int fd);
/* They are there, and right */
void stuck_right(int fd);
/* A child that reads exact of another mount; it ends with 0 if that is right */
pid_t stuck_beside(const char *mnt);
/* Whether a child ends within so many seconds; then *status is its wait status */
bool child_ends(pid_t pid, double seconds, int *status);

/* ----------------------------------------------------------- kernel log */

int kmsg_open(void);		/* positioned at the end */
/* Lines with the word since the last call; text of the last one in buf */
int kmsg_count(int fd, const char *word, char *buf, size_t size);

/* -------------------------------------------------------- table of images */

struct image {
	char name[64];
	unsigned int bs;
	char image[64];
	int nr_dev;
	char dev[MAX_DEVS][64];
	char opts[128];
	char dump[64];		/* "-": nothing to compare with */
	char features[128];
};

/* DATA/images.txt; number of rows, 0 when there is none */
size_t images_load(struct image **rows);
/* The same of another table: DATA/table */
size_t table_load(const char *table, struct image **rows);
/* The row of that name, from the table; ends the case when there is none */
const struct image *image_find(const char *name);
bool image_has(const struct image *img, const char *feature);
void image_source(const struct image *img, enum via via, struct source *src);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Backing files that are filled while they are read.
 *
 * Where somebody watches a file for FAN_PRE_ACCESS, the kernel asks before each
 * read, and the answer comes when the range is filled. But when the watcher
 * dies, the kernel answers for it, and lets everything pass: what was not filled
 * would be read as zeros. So a range with a hole in it is only believed while a
 * watcher is alive that could have filled it; without one it is an I/O error.
 *
 * Who watches is in the marks of four objects: the file, its folder, its mount
 * and its filesystem. An idle mark of our own on each keeps the list of the
 * others' in reach. A group says that it ends before it answers its last events,
 * so that whoever was let pass by the end of one finds it ended.
 *
 * This is the half of B11 that no kernel does by itself; tests/precontent.c has
 * the cases, dead*. It is where "bytes have arrived" (invariant 3 of io.c) would
 * else be untrue without an errno.
 *
 * Locks: a connector's, innermost, for looking at its list.
 */
#include "internal.h"

#ifdef K_PRE_CONTENT
#include <linux/fsnotify_backend.h>

/**
 * struct erofs_watch - what tells of the watchers of one backing file
 * @marks: ours, on each object that can be watched
 * @nr: entries in @marks
 */
struct erofs_watch {
	struct fsnotify_mark *marks[4];
	unsigned int nr;
};

static struct fsnotify_group *erofs_watch_group;

static void erofs_watch_free_mark(struct fsnotify_mark *mark)
{
	kfree(mark);
}

/* nothing is ever sent: the marks ask for nothing */
static const struct fsnotify_ops erofs_watch_ops = {
	.free_mark	= erofs_watch_free_mark,
};

static int erofs_watch_add(struct erofs_watch *watch, void *obj, int type)
{
	struct fsnotify_mark *mark = kmalloc(sizeof(*mark), GFP_KERNEL);
	int err;

	if (!mark)
		return -ENOMEM;
	fsnotify_init_mark(mark, erofs_watch_group);
	err = fsnotify_add_mark(mark, obj, type, 0);
	if (err) {
		fsnotify_put_mark(mark);
		return err;
	}
	watch->marks[watch->nr++] = mark;
	return 0;
}

static int erofs_watch_add_all(struct erofs_watch *watch,
			       const struct path *path)
{
	struct dentry *parent = dget_parent(path->dentry);
	int err;

	err = erofs_watch_add(watch, d_inode(path->dentry),
			      FSNOTIFY_OBJ_TYPE_INODE);
	/* an unlinked file without a folder is its own parent */
	if (!err && parent != path->dentry)
		err = erofs_watch_add(watch, d_inode(parent),
				      FSNOTIFY_OBJ_TYPE_INODE);
	dput(parent);
	if (!err)
		err = erofs_watch_add(watch, path->mnt,
				      FSNOTIFY_OBJ_TYPE_VFSMOUNT);
	if (!err)
		err = erofs_watch_add(watch, path->dentry->d_sb,
				      FSNOTIFY_OBJ_TYPE_SB);
	return err;
}

/**
 * erofs_watch_close - undo erofs_watch_open()
 * @watch: what it has returned, or NULL
 */
void erofs_watch_close(struct erofs_watch *watch)
{
	if (!watch)
		return;
	while (watch->nr) {
		struct fsnotify_mark *mark = watch->marks[--watch->nr];

		fsnotify_destroy_mark(mark, erofs_watch_group);
		fsnotify_put_mark(mark);
	}
	kfree(watch);
}

/**
 * erofs_watch_alive - is the answer to the last question to be believed?
 * @watch: the file's
 *
 * Context: the task that has asked.
 * Return: true if there is a watcher who may have given it; else the range has
 * to be looked at with erofs_watch_holes().
 */
bool erofs_watch_alive(const struct erofs_watch *watch)
{
	struct fsnotify_mark_connector *conn;
	struct fsnotify_mark *mark;
	bool alive = false;
	unsigned int i;

	/* the answer first, then the state of who has given it */
	smp_rmb();
	for (i = 0; i < watch->nr && !alive; i++) {
		/* stays with the mark as long as we hold that */
		conn = watch->marks[i]->connector;
		spin_lock(&conn->lock);
		hlist_for_each_entry(mark, &conn->list, obj_list)
			if ((mark->mask & FS_PRE_ACCESS) &&
			    !READ_ONCE(mark->group->shutdown))
				alive = true;
		spin_unlock(&conn->lock);
	}
	return alive;
}

/**
 * erofs_watch_asked - is somebody asked before a file is read?
 * @file: an open file; what counts is who watched it when it was opened
 *
 * Context: any.
 * Return: true if reads through @file may be asked about.
 */
bool erofs_watch_asked(const struct file *file)
{
	return FMODE_FSNOTIFY_HSM(file->f_mode);
}

/**
 * erofs_watch_open - find out whether a file is filled while it is read
 * @file: a backing file; the kernel asks about those that somebody watched when
 *	they were opened, and about no others
 *
 * Context: mount time; sleeps.
 * Return: what erofs_watch_alive() wants; NULL if it need not be asked; or an
 * errno.
 */
struct erofs_watch *erofs_watch_open(struct file *file)
{
	struct erofs_watch *watch;
	int err;

	if (!erofs_watch_asked(file))
		return NULL;
	watch = kzalloc(sizeof(*watch), GFP_KERNEL);
	if (!watch)
		return ERR_PTR(-ENOMEM);
	err = erofs_watch_add_all(watch, &file->f_path);
	/* it may be asked about for those who watch without filling */
	if (!err && (!FMODE_FSNOTIFY_ACCESS_PERM(file->f_mode) ||
		     erofs_watch_alive(watch)))
		return watch;
	erofs_watch_close(watch);
	return ERR_PTR(err);
}

/**
 * erofs_watch_holes - of a file that nobody fills any more, is all of a range there?
 * @file: the file
 * @pos: first byte
 * @len: bytes; those behind the end of the file do not count
 *
 * Context: sleeps; takes the lock of the file's inode, so no page fault may be
 * above.
 * Return: 0, and it stays so; -EIO for a hole; or another errno.
 */
int erofs_watch_holes(struct file *file, loff_t pos, size_t len)
{
	const loff_t end = min(pos + (loff_t)len,
			       i_size_read(file_inode(file)));
	loff_t hole;

	if (pos >= end)
		return 0;
	hole = vfs_llseek(file, pos, SEEK_HOLE);
	if (hole < 0)
		return hole;
	return hole < end ? -EIO : 0;
}

/**
 * erofs_watch_init - prepare for files that are filled while they are read
 *
 * Return: 0 or an errno.
 */
int erofs_watch_init(void)
{
	/* mounts share folders and filesystems */
	erofs_watch_group = fsnotify_alloc_group(&erofs_watch_ops,
						 FSNOTIFY_GROUP_DUPS);
	return PTR_ERR_OR_ZERO(erofs_watch_group);
}

/**
 * erofs_watch_exit - undo erofs_watch_init()
 */
void erofs_watch_exit(void)
{
	fsnotify_put_group(erofs_watch_group);
	/* they are freed late, and by us */
	fsnotify_wait_marks_destroyed();
}

#else

bool erofs_watch_asked(const struct file *file)
{
	return false;
}

struct erofs_watch *erofs_watch_open(struct file *file)
{
	return NULL;
}

void erofs_watch_close(struct erofs_watch *watch)
{
}

bool erofs_watch_alive(const struct erofs_watch *watch)
{
	return true;
}

int erofs_watch_holes(struct file *file, loff_t pos, size_t len)
{
	return 0;
}

int erofs_watch_init(void)
{
	return 0;
}

void erofs_watch_exit(void)
{
}
#endif

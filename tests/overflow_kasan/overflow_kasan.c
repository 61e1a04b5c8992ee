// SPDX-License-Identifier: GPL-2.0-only
/*
 * The smoke detector's test button: a module that, while it is loaded with
 * bug=NAME, makes one mistake of that kind, in its own object code, built the
 * way the filesystem's module is built. A kernel that does not report it could
 * not have reported it in the filesystem either. Only for a kernel that is
 * thrown away. guest.sh beside this file knows what each must be answered with.
 */
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

static char *bug = "none";
module_param(bug, charp, 0444);
MODULE_PARM_DESC(bug, "which mistake to make");

/* Not known to the compiler, which would otherwise leave the mistake out */
static volatile int five = 5;
static volatile char sink;

static int table[8];
static DEFINE_MUTEX(lock_a);
static DEFINE_MUTEX(lock_b);
static DEFINE_SPINLOCK(spin);

static int slab_read(void)
{
	char *p = kzalloc(five * 20, GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	sink = p[five * 20];
	kfree(p);
	return 0;
}

static int slab_write(void)
{
	char *p = kzalloc(five * 20, GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	p[five * 20 + 1] = 1;
	kfree(p);
	return 0;
}

static int slab_memcpy(void)
{
	char *p = kzalloc(five * 20, GFP_KERNEL);
	char *q = kzalloc(256, GFP_KERNEL);

	/* with the size known, FORTIFY_SOURCE is faster, and panics */
	OPTIMIZER_HIDE_VAR(p);
	if (p && q)
		memcpy(q, p, five * 21);
	kfree(q);
	kfree(p);
	return p && q ? 0 : -ENOMEM;
}

static int slab_freed(void)
{
	char *p = kzalloc(five * 20, GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	kfree(p);
	OPTIMIZER_HIDE_VAR(p);
	sink = p[five];
	return 0;
}

static int slab_twice(void)
{
	char *p = kzalloc(five * 20, GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	kfree(p);
	OPTIMIZER_HIDE_VAR(p);
	kfree(p);
	return 0;
}

/* Less than a page: the rest of the page is mapped, only the shadow knows */
static int vmalloc_read(void)
{
	char *p = vzalloc(five * 500);

	if (!p)
		return -ENOMEM;
	sink = p[five * 500];
	vfree(p);
	return 0;
}

static int vmalloc_write(void)
{
	char *p = vzalloc(five * 500);

	if (!p)
		return -ENOMEM;
	p[five * 500 + 3] = 1;
	vfree(p);
	return 0;
}

static int page_freed(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	char *p;

	if (!page)
		return -ENOMEM;
	p = page_address(page);
	__free_page(page);
	OPTIMIZER_HIDE_VAR(p);
	sink = p[five];
	return 0;
}

static int stack_read(void)
{
	char buf[13];
	char *p = buf;

	memset(buf, 0, sizeof(buf));
	OPTIMIZER_HIDE_VAR(p);
	sink = p[five + 8];
	return 0;
}

static int global_read(void)
{
	char *p = (char *)table;

	OPTIMIZER_HIDE_VAR(p);
	sink = p[sizeof(table) + five];
	return 0;
}

static int ubsan_shift(void)
{
	sink = 1 << (five * 8);
	return 0;
}

static int ubsan_bounds(void)
{
	sink = table[five + 3];
	return 0;
}

static int leak(void)
{
	char *p = kzalloc(five * 100, GFP_KERNEL);

	sink = !p;
	return p ? 0 : -ENOMEM;
}

static int lock_order(void)
{
	mutex_lock(&lock_a);
	mutex_lock(&lock_b);
	mutex_unlock(&lock_b);
	mutex_unlock(&lock_a);

	mutex_lock(&lock_b);
	mutex_lock(&lock_a);
	mutex_unlock(&lock_a);
	mutex_unlock(&lock_b);
	return 0;
}

static int sleep_atomic(void)
{
	char *p;

	spin_lock(&spin);
	p = kmalloc(five * 20, GFP_KERNEL);
	spin_unlock(&spin);
	kfree(p);
	return 0;
}

static int list_twice(void)
{
	LIST_HEAD(head);
	LIST_HEAD(entry);

	list_add(&entry, &head);
	list_add(&entry, &head);
	return 0;
}

static const struct {
	const char *name;
	int (*make)(void);
} bugs[] = {
	{ "slab-read", slab_read },
	{ "slab-write", slab_write },
	{ "slab-memcpy", slab_memcpy },
	{ "slab-freed", slab_freed },
	{ "slab-twice", slab_twice },
	{ "vmalloc-read", vmalloc_read },
	{ "vmalloc-write", vmalloc_write },
	{ "page-freed", page_freed },
	{ "stack-read", stack_read },
	{ "global-read", global_read },
	{ "ubsan-shift", ubsan_shift },
	{ "ubsan-bounds", ubsan_bounds },
	{ "leak", leak },
	{ "lock-order", lock_order },
	{ "sleep-atomic", sleep_atomic },
	{ "list-twice", list_twice },
};

static int __init overflow_init(void)
{
	unsigned int i;

	if (!strcmp(bug, "none"))
		return 0;
	for (i = 0; i < ARRAY_SIZE(bugs); i++)
		if (!strcmp(bug, bugs[i].name))
			return bugs[i].make();
	return -EINVAL;
}

static void __exit overflow_exit(void)
{
}

module_init(overflow_init);
module_exit(overflow_exit);
MODULE_DESCRIPTION("One deliberate mistake, for the sanitizers to report");
MODULE_LICENSE("GPL");

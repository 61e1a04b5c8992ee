/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the parts of tests/mutate: what a seed image consists of, what a
 * mutant is, and what reading one has shown.
 */
#ifndef EROFS_TESTS_MUTATE_H
#define EROFS_TESTS_MUTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* ------------------------------------------------------- mutate_image.c */

/* What a number on disk stands for, hence which values may hurt */
enum kind {
	KIND_NUMBER,
	KIND_FLAGS,
	KIND_NID,
	KIND_BLOCK,		/* address, in blocks */
	KIND_BYTE,		/* address, in bytes */
	KIND_SIZE,		/* length or position in a file */
	NR_KINDS
};

/* bits of the little-endian number at byte off, from bit shift on */
struct field {
	uint64_t off;
	const char *name;
	uint8_t shift;
	uint8_t bits;		/* shift + bits <= 64 */
	uint8_t kind;
	int16_t inode;		/* whose it is; -1 for nobody's */
	uint8_t layout;		/* of that inode */
};

/* A structure that there are several of, to be swapped and repeated */
struct record {
	uint64_t off;
	uint32_t len;
	const char *type;
};

struct inode {
	uint64_t nid;
	uint64_t pos;
	uint64_t size;
	uint64_t block;		/* first one of its data, or 0 */
	uint8_t layout;		/* and bit 7: a directory */
	const char *what;
};

#define MAX_DEVS	4
#define PAIR_FIELDS	20
#define PAIR_VALUES	15	/* of each */
#define NR_PAIRS	(PAIR_FIELDS * (PAIR_FIELDS - 1) / 2 * \
			 PAIR_VALUES * PAIR_VALUES)
#define MAX_VALUES	160

struct image {
	char name[48];
	const uint8_t *seed;	/* as mkfs made it */
	uint8_t *map;		/* what is mounted, to be changed */
	uint64_t size;
	int fd;			/* of map: a memfd */
	int nr_devs;
	int dev_fd[MAX_DEVS];
	unsigned int blkbits;

	struct field *fields;
	unsigned int nr_fields;
	struct record *records;
	unsigned int nr_records;
	struct inode *inodes;
	unsigned int nr_inodes;
	unsigned int *first;	/* number of the first mutant of each field */
	unsigned int nr_single;	/* mutants that change one field */
	unsigned int pair[PAIR_FIELDS];	/* fields that are changed by twos */
	unsigned int nr_pair;
	char expected[80];	/* what a hostile image must answer */
	uint64_t hash;
};

/* whole: find its fields and records, too */
int image_load(struct image *img, const char *dir, const char *name,
	       int nr_devs, bool whole);
uint64_t field_get(const struct image *img, const struct field *f);
/* Values that f is to be given, each once; never its own. How many */
unsigned int field_values(const struct image *img, const struct field *f,
			  uint64_t *values);
/* Settles pair, by chance: no two of one name */
void image_choose_pairs(struct image *img, uint64_t seed);

/* -------------------------------------------------------- mutate_edit.c */

enum op {
	OP_SET = 's',		/* len bytes at a */
	OP_RANDOM = 'r',	/* len bytes at a, of generator b */
	OP_COPY = 'c',		/* len bytes from b to a */
	OP_SWAP = 'x',		/* len bytes at a and at b */
	OP_CUT = 't',		/* the file ends at a */
};

struct edit {
	enum op op;
	uint64_t a, b;
	uint32_t len;
	uint8_t bytes[8];
};

#define MAX_EDITS	16
#define MAX_RECIPE	768	/* as text */

struct recipe {
	unsigned int nr;
	bool keep_checksum;	/* leave it wrong */
	struct edit edit[MAX_EDITS];
};

struct rnd {
	uint64_t state;
};

uint64_t rnd_next(struct rnd *r);
uint64_t rnd_below(struct rnd *r, uint64_t n);

/* Mutant number n of an image */
void recipe_make(const struct image *img, uint64_t seed, uint64_t n,
		 struct recipe *rec);
/*
 * Two fields of img->pair, each with one of its values; n is below NR_PAIRS.
 * False where there are not so many.
 */
bool recipe_pair(const struct image *img, uint64_t n, struct recipe *rec);
/* Some more changes to what there is */
void recipe_grow(const struct image *img, struct rnd *r, struct recipe *rec);
void recipe_print(const struct recipe *rec, char *buf, size_t size);
bool recipe_parse(const char *text, struct recipe *rec);
/* Changes img->map, and makes it the seed again */
void recipe_apply(struct image *img, const struct recipe *rec);
void recipe_undo(struct image *img, const struct recipe *rec);

/* -------------------------------------------------------- mutate_walk.c */

enum stage {
	STAGE_MOUNT, STAGE_STATFS, STAGE_OPEN, STAGE_READDIR, STAGE_LOOKUP,
	STAGE_READ, STAGE_SEEK, STAGE_FIEMAP, STAGE_MMAP, STAGE_DIRECT,
	STAGE_READLINK, STAGE_LISTXATTR, STAGE_GETXATTR, STAGE_HANDLE,
	STAGE_UMOUNT, NR_STAGES
};

extern const char * const stage_names[NR_STAGES];

#define MAX_ERRNO	134

/* What is shared with the process that watches */
struct shared {
	volatile uint32_t beat;		/* changes with each operation */
	volatile uint32_t stage;
	volatile uint32_t running;	/* a mutant is being read */
	volatile uint64_t done;
	volatile uint64_t failed;
	volatile uint64_t position;	/* in the schedule */
	volatile uint32_t image;
	volatile double slowest;	/* seconds of the slowest operation */
	volatile uint64_t by_block;	/* compared with a block device */
	volatile long grown_kb;		/* at most, for a mount */
	volatile uint32_t odd[NR_STAGES][MAX_ERRNO];
	volatile uint64_t errors[NR_STAGES][MAX_ERRNO];
	volatile uint64_t ticks[NR_STAGES];
	char name[MAX_RECIPE + 128];
};

extern struct shared *shared;

struct walk {
	uint64_t number;	/* decides on what is only done now and then */
	bool by_block;
	uint64_t hash;		/* of everything seen */
	uint64_t slowest;
	enum stage slow_stage;
	unsigned int budget;	/* inodes still to be visited */
	unsigned int files;
	unsigned int nr_seen;		/* inodes that were visited */
	uint64_t seen[64];
	int root;			/* its descriptor */
	const char *wrong;	/* something no image may cause */
	int odd;		/* an errno that an image should not cause */
	enum stage odd_stage;
	double mount_cpu_s;	/* processor time of the mount */
	long grown_kb;		/* of the kernel's own memory, before unmounting */
};

int walk_init(void);
/* Mounts img, reads all of it within bounds, and unmounts it */
void walk_image(struct image *img, struct walk *w);

/* ------------------------------------------------------- mutate_cover.c */

/* False when this kernel has no coverage */
bool cover_open(void);
void cover_start(void);
/* Edges that this run was the first to take */
unsigned int cover_new(void);
unsigned int cover_total(void);
void cover_forget(void);

uint64_t hash_bytes(uint64_t h, const void *buf, size_t len);

#endif

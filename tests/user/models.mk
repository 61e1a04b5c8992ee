# SPDX-License-Identifier: GPL-2.0-only
#
# Models and fuzz targets of disk.c and zindex.c.

MODEL_PURE := $(TOP)/disk.c $(TOP)/zindex.c
MODEL_LIB := image.c index_check.c index_gen.c naive_disk.c naive_index.c
MODEL_FUZZ := fuzz_disk.c fuzz_index.c
# a change of any of these is a change of all
MODEL_DEPS := $(MODEL_PURE) $(TOP)/disk.h $(TOP)/zindex.h $(TOP)/erofs_fs.h \
	      ../disk_user.h $(MODEL_LIB) $(MODEL_FUZZ) \
	      $(wildcard *.h) models.mk Makefile
MODEL_SRC := $(MODEL_LIB) $(MODEL_PURE)

CHECKS += run_model index_model:images/encoded dir_model:images/plain:images/encoded \
	  replay:seeds:$(CURDIR)/finds
MODEL_TARGETS := super inode dirblk chunk xattr index
FUZZERS_ALL += $(MODEL_TARGETS)
SEEDS += $(OUT)/seeds/.done

$(OUT)/index_model $(OUT)/dir_model $(OUT)/run_model: $(OUT)/%: %.c $(MODEL_DEPS) | $(OUT)
	$(BUILD_CHECK) $< $(MODEL_SRC) -o $@

$(OUT)/replay $(OUT)/mkseeds: $(OUT)/%: %.c $(MODEL_DEPS) | $(OUT)
	$(BUILD_CHECK) $< $(MODEL_FUZZ) $(MODEL_SRC) -o $@

$(addprefix $(OUT)/fuzz_,$(MODEL_TARGETS)): $(OUT)/fuzz_%: fuzz_entry.c \
		$(MODEL_DEPS) | $(OUT)
	$(BUILD_FUZZ) -DFUZZ_ONE=fuzz_$* $< $(MODEL_FUZZ) $(MODEL_SRC) -o $@

# Images are only made anew for a new recipe: they take the longest.
$(OUT)/seeds/.done: seeds.sh mkseeds.c index_gen.c $(OUT)/mkseeds
	./seeds.sh $(OUT)
	touch $@

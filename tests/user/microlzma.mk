# SPDX-License-Identifier: GPL-2.0
#
# The module's own MicroLZMA decoder, beside liblzma (liblzma-dev):
#
#   make -C tests/user microlzma-plain         the test without sanitizers
#   make -C tests/user microlzma-bench         speeds beside liblzma's decoders
#   make -C tests/user microlzma-bench BENCH_FILES=...    on these files

CHECKS += microlzma_test
FUZZERS_ALL += microlzma
SEEDS += $(OUT)/seeds/microlzma

MICROLZMA := $(TOP)/microlzma.c
MICROLZMA_DEPS := $(MICROLZMA) $(TOP)/microlzma.h \
		  $(wildcard microlzma*.h) microlzma.mk
BENCH_FILES ?= $(shell command -v bash) $(TOP)/COPYING

$(OUT)/microlzma_test: microlzma_test.c util.h $(MICROLZMA_DEPS) | $(OUT)
	$(BUILD_CHECK) -o $@ $< $(MICROLZMA) -llzma

$(OUT)/microlzma_plain: microlzma_test.c util.h $(MICROLZMA_DEPS) | $(OUT)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) -o $@ $< $(MICROLZMA) -llzma

$(OUT)/fuzz_microlzma: microlzma_fuzz.c $(MICROLZMA_DEPS) | $(OUT)
	$(BUILD_FUZZ) -o $@ $< $(MICROLZMA) -llzma

$(OUT)/seeds/microlzma: $(OUT)/microlzma_test
	mkdir -p $@
	$< -s $@
	touch $@

microlzma-plain: $(OUT)/microlzma_plain
	$<

microlzma-bench: $(OUT)/microlzma_plain
	$< -b $(BENCH_FILES)

.PHONY: microlzma-plain microlzma-bench

# SPDX-License-Identifier: GPL-2.0-only
# A thin wrapper around kbuild and the scripts; `make help` lists the targets.
ifneq ($(KERNELRELEASE),)
include $(src)/Kbuild
else

KDIR ?= /lib/modules/$(shell uname -r)/build
# what modules_install goes by; Debian's 6.1 calls itself otherwise elsewhere
RELEASE = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
KBUILD_ARGS = -C $(KDIR) M=$(CURDIR) $(if $(W),W=$(W)) $(if $(C),C=$(C))

all: modules

modules:
	$(MAKE) $(KBUILD_ARGS) modules

# updates/ wins over the distribution's kernel/fs/erofs in depmod's search
install: modules
	$(MAKE) $(KBUILD_ARGS) INSTALL_MOD_DIR=updates modules_install
	depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $(RELEASE)

uninstall:
	rm -f $(INSTALL_MOD_PATH)/lib/modules/$(RELEASE)/updates/erofs.ko*
	depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $(RELEASE)

clean:
	rm -rf build
	[ ! -d $(KDIR) ] || $(MAKE) $(KBUILD_ARGS) clean

setup:
	scripts/setup

demo: setup
	scripts/demo

check: setup
	scripts/check

# the pure decoders against naive models, in user space, under sanitizers
check-models: setup
	$(MAKE) -C tests/user check

# User Mode Linux: with KASAN, lockdep and more; small and fast; for timing
uml: setup
	scripts/uml-build -k kasan
	scripts/uml-build -k small
	scripts/uml-build -k time

# the suite, storms and hostile images under the first of them
check-kasan: setup
	scripts/check-kasan

# little memory, caches dropped, and disks that fail, for so long
check-pressure: setup
	scripts/check-pressure $(or $(SECONDS),300)

# the long column of what tests/PITFALLS says of figures; ROWS="T9 T16" of it
check-long: setup
	scripts/check-long $(ROWS)

# a kernel built in a container whose root and sources are images
check-soak: setup
	scripts/check-soak

# mistakes planted in the module, each of which a test has to find
check-mutants: setup
	scripts/check-mutants

# tests of others, run over mounts of ours
check-peers: setup
	scripts/check-peers

# images mutated with the format in mind, and hostile ones written by hand
mutate: setup
	scripts/mutate -j 2 -f -n $(or $(SEEDS),20000) $(if $(SEED),-s $(SEED))
	scripts/mutate -H

# the pure decoders as libFuzzer targets, each for so many seconds
fuzz: setup
	scripts/setup --fuzz
	$(MAKE) -C tests/user fuzz SECONDS=$(or $(SECONDS),60)

style: setup
	scripts/style.sh

bench: setup
	scripts/bench

help:
	@echo 'make                 build erofs.ko for the running kernel'
	@echo 'make KDIR=DIR        build it for the kernel whose build folder is DIR'
	@echo 'make install         install it so that it wins over the distribution'"'"'s'
	@echo 'make uninstall       take it away again'
	@echo 'make demo            see it work on 6.12 and 6.1, in qemu'
	@echo 'make check           run the test suite on 6.12 and 6.1, in qemu'
	@echo 'make check-models    compare the decoders with naive models, in user space'
	@echo 'make check-kasan     run the test suite in a kernel with sanitizers'
	@echo 'make check-pressure  run readers short of memory and on failing disks; SECONDS=n'
	@echo 'make check-long      run what takes hours; ROWS="T9 T16" of tests/PITFALLS'
	@echo 'make check-soak      build a kernel in a container whose files are images'
	@echo 'make mutate          read mutated and hostile images there; SEEDS=n of them'
	@echo 'make fuzz            run the decoders as fuzz targets; SECONDS=n each'
	@echo 'make uml             build the User Mode Linux kernels that these use'
	@echo 'make check-peers     run tests of others (kernel selftests, stress-ng, fio) over it'
	@echo 'make check-mutants   plant mistakes in the module and see that tests find them'
	@echo 'make bench           measure it against its peers'
	@echo 'make style           what the sources have to pass'

.PHONY: all modules install uninstall clean setup demo check check-models uml
.PHONY: check-kasan check-pressure check-long check-soak check-mutants check-peers mutate fuzz style bench help
endif

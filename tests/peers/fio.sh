#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# One fio job on a file whose blocks of 4 KiB each have a checksum and their place
# in the file: fio.sh FILE OPTION... Later options replace earlier ones.

exec fio --name=job --filename="$1" --size=24m --bs=4k --verify=crc32c \
	--verify_interval=4k --verify_fatal=1 --verify_state_save=0 --exitall_on_error=1 \
	"${@:2}"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The third oracle: what the distribution's own erofs of Linux 6.12 or 7.x reads
# from the same images, compared with the same expected dumps. It is to be run
# where that module is loaded instead of ours:
#
#	scripts/vm -k 6.12 -d build/data.img -- \
#		/tests/run-guest.sh -m /distro/erofs.ko distro.sh "distro.sh codecs"
#
# A failure here is a fault of an image or of its expectation, not of the module.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/ktap.sh
. "$here/ktap.sh"

case $(uname -r) in
6.12.* | 7.*) ;;
*) ktap_skip_all "only the erofs of 6.12 and later mounts files" ;;
esac
# Ours has it for lack of another way with an old mount(8)
! grep -q erofs_fs_parameters /proc/kallsyms ||
	[ ! -e /sys/fs/erofs/features/file_source ] ||
	ktap_skip_all "it is not the distribution's module that is loaded"

# "codecs" is another program of ours; all else are names of cases of "read"
prog="read"
if [ "${1:-}" = codecs ]; then
	prog=codecs
	shift
fi
EROFS_ORACLE=1 exec "$here/$prog" "$@"

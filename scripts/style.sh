#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What every source file has to pass, beyond working: no warning at W=1, clean
# under sparse, no kernel version test outside compat.h, shellcheck, an SPDX line
# in each file, and the house rules that a machine can see. Prints one line per
# rule; exit code 0 only if all of them hold. Needs what scripts/setup installs.
#
#   scripts/style.sh [-q]
#
#   -q  quick: leave out what compiles (sparse, W=1, test programs)

set -euo pipefail
# rule is the last part of a pipeline and has to remember what it found.
shopt -s lastpipe
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$TOP"

QUICK=no
[ "${1:-}" != -q ] || QUICK=yes
FAILED=0

# rule NAME: fails if stdin has anything in it, and shows it
rule() {
	local found
	found=$(cat)
	if [ -z "$found" ]; then
		printf 'ok      %s\n' "$1"
	else
		FAILED=1
		printf 'FAILED  %s\n' "$1"
		printf '%s\n' "$found" | sed 's/^/        /'
	fi
}

# Tracked files, and new ones that are not ignored.
mapfile -t FILES < <(git ls-files -co --exclude-standard --deduplicate |
	while IFS= read -r f; do [ ! -f "$f" ] || echo "$f"; done)
[ ${#FILES[@]} -gt 0 ] || die "no files: is this a git checkout?"

# pick PATTERN: those of the files that match an extended regular expression
pick() {
	printf '%s\n' "${FILES[@]}" | grep -E "$1" || true
}

mapfile -t MODULE < <(pick '^[^/]+\.[ch]$')
mapfile -t C < <(pick '\.[ch]$')
mapfile -t PYTHON < <(pick '\.py$')
mapfile -t SHELL_FILES < <(for f in "${FILES[@]}"; do
	case $f in
	*.sh) echo "$f" ;;
	*) if head -n 1 "$f" | grep -aEq '^#! ?/bin/(ba)?sh'; then echo "$f"; fi ;;
	esac
done)
# What has a licence line of its own kind or cannot have one.
mapfile -t SOURCES < <(pick '(\.(c|h|S|sh|py)|Makefile|Kbuild|Kconfig|^scripts/[^/.]+|^\.ci/[^/.]+)$')

# ---- text --------------------------------------------------------------------

for f in "${SOURCES[@]}"; do
	head -n 2 "$f" | grep -q 'SPDX-License-Identifier: GPL-2.0' || echo "$f"
done | rule "SPDX line in each source file"

grep -nE '\bLINUX_VERSION_CODE\b|\bKERNEL_VERSION\b|\bK_GE\b' "${MODULE[@]}" |
	grep -v '^compat\.h:' | rule "no kernel version test outside compat.h" || true

grep -nIE '[[:blank:]]+$' "${FILES[@]}" | grep -v '^COPYING:' |
	rule "no white space at the end of a line" || true

grep -nE '^\t* +\t' "${C[@]}" | rule "no space before a tab" || true

awk '{
	line = $0
	# A tab is as wide as what is left of eight columns.
	while ((i = index(line, "\t")) > 0)
		line = substr(line, 1, i - 1) \
			substr("        ", 1, 8 - (i - 1) % 8) substr(line, i + 1)
	if (length(line) > 100)
		printf "%s:%d: %d columns\n", FILENAME, FNR, length(line)
}' "${C[@]}" | rule "no line of C over 100 columns"

awk '
	/^[{]/ { start = FNR; head = last }
	/^[}]/ && start {
		if (FNR - start - 1 > 100)
			printf "%s:%d: %d lines: %s\n", FILENAME, start, FNR - start - 1, head
		start = 0
	}
	/^[^ \t{}#\/*]/ { last = $0 }
	FNR == 1 { start = 0 }
' "${C[@]}" | rule "no function over 100 lines"

grep -nE '\bBUG(_ON)?\(|__GFP_NOFAIL' "${MODULE[@]}" |
	rule "no BUG_ON, no __GFP_NOFAIL" || true

# The mirror is the machine's own business, as are its folders.
grep -nIE '(deb|ftp|snapshot|security)[a-z.]*\.debian\.org|/home/[a-z]' "${FILES[@]}" |
	grep -vE '^(README|scripts/style\.sh)' |
	rule "no host name of a mirror, no path of somebody's home" || true

for f in "${SHELL_FILES[@]}"; do
	[ -x "$f" ] || [ "$(head -c 2 "$f")" != '#!' ] || echo "$f"
done | rule "scripts are executable"

# The last number of each letter; there is no T8.
for last in S14 I10 D8 X9 C7 Z17 E7 P18 F8 B17 R12 M7 L6 U6 T27; do
	for i in $(seq "${last:1}"); do
		grep -q "^${last:0:1}$i " tests/PITFALLS || [ "${last:0:1}$i" = T8 ] ||
			echo "${last:0:1}$i"
	done
done | rule "each pitfall has a line in tests/PITFALLS"

python3 tests/mutants/mutate.py tests/mutants/list ./ |
	rule "each planted mistake has its place in the sources"

# ---- tools -------------------------------------------------------------------

# Functions that are only called through "$@" look unreachable to it, and ones
# with an optional argument called by mistake without.
shellcheck -x -e SC2317,SC2119,SC2120 "${SHELL_FILES[@]}" 2>&1 | rule "shellcheck" || true
for f in ${PYTHON[@]+"${PYTHON[@]}"}; do
	python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' \
		"$f" 2>&1 || true
done | rule "Python parses"

if [ $QUICK = no ]; then
	for k in $KERNELS; do
		what="W=1 and sparse" opts=-ce
		! kernel_is_new "$k" || what=W=1 opts=-e
		{ scripts/build-module $opts -d "$BUILD/style/$k" "$k" 2>&1 >/dev/null ||
			echo "build failed"; } |
			{ grep -v "^build-module: $k: " || true; } |
			rule "$what without a warning on $k"
	done
	CFLAGS=-Werror make -s -C tests OUTPUT="$BUILD/style/tests" 2>&1 |
		rule "test programs build without a warning" || true
fi

if [ $FAILED != 0 ]; then
	echo "style: FAILED"
	exit 1
fi
echo "style: ok"

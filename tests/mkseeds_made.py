#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
mkseeds_made.py OUTDIR: the seed of tests/mutate with extents of records that
no mkfs.erofs writes for a file as small as a seed's are.

A file for each size of a record, each of extents in LZ4, ZSTD, DEFLATE, LZ4 of
which only a part is wanted, and none.
"""
import os
import sys

import hostile as h
from erofsimg import File

BLOCK = 4096
EXTENT = 3 * BLOCK


def main():
    text = (b'what the extent holds, which is read again and again\n' *
            300)[:EXTENT]
    short = 2 * BLOCK
    # stored, of which algorithm, decoded
    parts = [(h.lz4_run(EXTENT), h.LZ4, EXTENT),
             (h.zstd_run(EXTENT, b'b'), h.ZSTD, EXTENT),
             (h.deflate(text), h.DEFLATE, EXTENT),
             (h.lz4_run(EXTENT), h.LZ4, short),
             (b'as it is'.ljust(BLOCK, b'.'), None, BLOCK)]
    stored = b''.join(h.front(p[0]) for p in parts)
    ends = [sum(p[2] for p in parts[:n]) for n in range(len(parts) + 1)]
    size = ends[-1]

    def words(n):
        return h.plen(BLOCK, parts[n][1], parts[n][2] == short)

    def rec16(first):
        return b''.join(h.rec16(words(n), first + n * BLOCK, ends[n])
                        for n in range(len(parts)))

    def rec32(first):
        return b''.join(h.rec32(words(n), first + n * BLOCK, ends[n])
                        for n in range(len(parts)))

    # of records of 4 and 8 bytes each extent is as long as the others
    even = b''.join(h.front(h.lz4_run(2 * BLOCK, b'%d' % n)) for n in range(6))
    img = h.image({
        '/by-16': h.extents(size, 16, rec16, stored=stored),
        '/by-32': h.extents(size, 32, rec32, stored=stored),
        '/by-8': h.extents(12 * BLOCK, 8, lambda at: b''.join(
            h.rec8(h.plen(BLOCK, h.LZ4), at + n * BLOCK) for n in range(6)),
            stored=even, bits=1),
        '/by-4': h.extents(12 * BLOCK, 4, b''.join(
            h.plen(BLOCK, h.LZ4).to_bytes(4, 'little') for n in range(6)),
            stored=even, bits=1),
        '/plain': File(b'nothing is encoded here')}, bit48=True)
    raw = img.tobytes()
    with open(os.path.join(sys.argv[1], 'made-extents.img'), 'xb') as f:
        f.write(raw)
    print('made-extents 0')


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
hostile.py OUTDIR: images written by hand to hurt, which chance would not find.

Writes NAME.img, and seeds.txt with a line for each, as tests/mutate -H reads it:

    name devices [stage:errno,...]

All of an image is read, in every way that mutate knows; no operation may take
longer than five seconds. The stages named must give that errno at least once
("any" is any); "?" leaves open what there is to be seen, and where nothing is
named there must be no error at all.

Each function is of one part of the catalogue of what has broken elsewhere, and
the first word of each comment is its row: S superblock, F packed inode and
metabox, Z indexes, E extents, P decoders, M memory, D directories, T sizes and loops.
What is wrong in one field only is should_fail.py's, and mutate's own.
"""
import lzma
import os
import struct
import sys
import zlib

import erofsimg as e
from erofsimg import (CHUNK, COMPACT_IDX, FULL, INLINE, PLAIN, Dir, Encoded,
                      File, Image, Symlink, pattern)

M64 = (1 << 64) - 1
MAX = (1 << 63) - 1
BOX = 1 << 63
LZ4, LZMA, DEFLATE, ZSTD = range(4)
CONFIGS = {LZ4: struct.pack('<HH10x', 65535, 256),
           LZMA: struct.pack('<IH8x', 8 << 20, 0),
           DEFLATE: struct.pack('<B5x', 15),
           ZSTD: struct.pack('<BB4x', 0, 10)}

# advise
COMPACT_2B = EXTENTS = 1
BIG1, BIG2, INLINE_PCL, INTERLACED, FRAGMENT = 2, 4, 8, 16, 32
HEAD_PLAIN, HEAD1, NONHEAD, HEAD2 = range(4)
CBLKCNT = 0x800


class Writer:
    def __init__(self, outdir):
        self.outdir, self.lines = outdir, []
        os.makedirs(outdir, exist_ok=True)
        for name in os.listdir(outdir):
            if name.endswith('.img') or name == 'seeds.txt':
                os.unlink(os.path.join(outdir, name))

    def put(self, name, img, *expected):
        raw = img.tobytes()
        with open(os.path.join(self.outdir, name + '.img'), 'xb') as f:
            f.write(raw.ljust(e.align(len(raw), 512), b'\0'))
        self.lines.append(f'{name} 0 {",".join(expected) or "-"}')

    def finish(self):
        with open(os.path.join(self.outdir, 'seeds.txt'), 'w') as f:
            f.write('\n'.join(self.lines) + '\n')


def image(nodes=(), packed=None, box=None, build=True, **kw):
    """/ok and what a case is about."""
    kw.setdefault('configs', CONFIGS)
    incompat = e.INCOMPAT_LZ4_0PADDING | kw.pop('incompat', 0)
    if box is not None:
        incompat |= e.INCOMPAT_METABOX | e.INCOMPAT_48BIT
        kw['extslots'] = 1
    img = Image(incompat=incompat, **kw)
    img.add('/ok', File(pattern('/ok', 5000)))
    for path, node in dict(nodes).items():
        img.add(path, node)
    if packed is not None:
        img.add_packed(packed)
    if box is not None:
        img.add_hidden('box', box)
    if build:
        img.build()
        if box is not None:
            img.sb['metabox_nid'] = img.node('#box').nid
    return img


# ------------------------------------------------------------------ streams

def lz4_run(size, byte=b'a'):
    """size times a byte, as one match."""
    rest = size - 1 - 5 - 4 - 15
    return b'\x1f' + byte + b'\1\0' + b'\xff' * (rest // 255) + \
        bytes([rest % 255]) + b'\x50' + byte * 5


def lz4_literals(data):
    rest = len(data) - 15
    if rest < 0:
        return bytes([len(data) << 4]) + data
    return b'\xf0' + b'\xff' * (rest // 255) + bytes([rest % 255]) + data


def deflate(data):
    c = zlib.compressobj(9, zlib.DEFLATED, -15)
    return c.compress(data) + c.flush()


def microlzma(data, dict_size=1 << 16):
    raw = lzma.compress(data, lzma.FORMAT_RAW, filters=[
        {'id': lzma.FILTER_LZMA1, 'dict_size': dict_size}])
    return bytes([0xFF ^ 93]) + raw[1:]


def zstd_run(size, byte=b'a', cut=None, window=None):
    """size times a byte in blocks of that alone, perhaps with fewer of them."""
    out = struct.pack('<I', 0xFD2FB528)
    out += bytes([0x00, (7 if window is None else window) << 3])
    blocks = -(-size // (128 << 10))
    for n in range(blocks):
        if cut is not None and n == cut:
            break
        part = min(size - n * (128 << 10), 128 << 10)
        last = n == blocks - 1
        out += (part << 3 | 1 << 1 | last).to_bytes(3, 'little') + byte
    return out


def front(stream, size=4096):
    """In a pcluster of that size, behind zeroes."""
    assert len(stream) <= size
    return stream.rjust(size, b'\0')


# ------------------------------------------------------------------ indexes

def header(frag=0, advise=0, algs=0, bits=0, idata=None):
    if idata is not None:
        frag = idata << 16
    return struct.pack('<IHBB', frag & 0xFFFFFFFF, advise, algs, bits)


def whole(off):
    return struct.pack('<Q', off & M64 | 1 << 63) + bytes(8)


def head(kind, ofs, blk, flags=0):
    return struct.pack('<HHI', kind | flags, ofs, blk & 0xFFFFFFFF)


def nonhead(back, forth=1):
    return struct.pack('<HHHH', NONHEAD, 0, back, forth)


def full(size, records, advise=0, stored=b'', algs=0, bits=0, frag=0,
         idata=None, tail=b'', **kw):
    """Layout 1: records are given the first block of what is stored."""
    def raw(block):
        recs = records(block or 0) if callable(records) else records
        return header(frag, advise, algs, bits, idata) + bytes(8) + recs + tail
    return Encoded(size, raw, blocks=max(len(stored) // 4096, 1),
                   stored=stored, **kw)


def pack(values, base, lobits=12, bits=16, size=8):
    """A pack of compact records: (type, value)"""
    field = 0
    for n, (kind, lo) in enumerate(values):
        field |= (lo | kind << lobits) << n * bits
    return field.to_bytes(size - 4, 'little') + struct.pack('<I', base &
                                                            0xFFFFFFFF)


def compact(size, packs, advise=0, stored=b'', **kw):
    """Layout 3 with all records in packs of two; E mod 32 decides on it."""
    def raw(block):
        return header(advise=advise, **hdr) + \
            (packs(block or 0) if callable(packs) else packs)
    hdr = {k: kw.pop(k) for k in ('frag', 'algs', 'bits', 'idata')
           if k in kw}
    return Encoded(size, raw, blocks=1, stored=stored, layout=COMPACT_IDX,
                   **kw)


def plen(size, alg=None, partial=False):
    return size | (0 if alg is None else alg + 1) << 28 | partial << 27


def extents(size, recsz, records, stored=b'', advise=0, count=None, bits=0,
            start=None, **kw):
    """Layout 1 with records of recsz bytes; the inode is at a place of 64."""
    def raw(block):
        block = block or 0
        recs = records(block * 4096) if callable(records) else records
        n = len(recs) // recsz if count is None else count
        adv = advise | EXTENTS | {4: 0, 8: 1, 16: 2, 32: 3}[recsz] << 1
        if recsz >= 16:
            head8 = struct.pack('<IHH', n & 0xFFFFFFFF, adv, n >> 32)
        else:
            head8 = header(advise=adv, bits=bits)
        pad = b''
        if recsz == 4:
            at = block * 4096 if start is None else start
            pad = struct.pack('<Q', at & M64)
        gap = (-8) % recsz if recsz > 8 else 0
        return head8 + bytes(gap) + pad + recs
    kw.setdefault('extended', True)
    # what is behind the inode begins at a multiple of 64
    return Encoded(size, raw, blocks=1, stored=stored, at=128, **kw)


def rec8(n, pa):
    return struct.pack('<II', n, pa & 0xFFFFFFFF)


def rec16(n, pa, la):
    return struct.pack('<III I', n, pa & 0xFFFFFFFF, pa >> 32 & 0xFFFFFFFF, la)


def rec32(n, pa, la):
    return struct.pack('<IIIII12x', n, pa & 0xFFFFFFFF, pa >> 32 & 0xFFFFFFFF,
                       la & 0xFFFFFFFF, la >> 32)


def raw_inode(layout, size, i_u=0, mode=0o100644):
    return struct.pack('<HHHHQIIIIQII16x', 1 | layout << 1, 0, mode, 0, size,
                       i_u, 1, 0, 0, 0, 0, 1)


CHUNK_SIZE = 1 << 16


def repeated(first, count, rest=None):
    """
    A file of so many chunks of 64 KiB, in an image that has two of them: all
    but the first one are rest again and again, or holes. It is larger than any
    image.
    """
    stored = first.ljust(CHUNK_SIZE, b'\0')
    if rest is not None:
        stored += (rest * (CHUNK_SIZE // len(rest)))

    def raw(block):
        again = b'\xff' * 4 if rest is None else struct.pack('<I', block + 16)
        return struct.pack('<I', block) + again * (count - 1)
    return Encoded(count * CHUNK_SIZE, raw, layout=CHUNK, blocks=4,
                   stored=stored, extended=True)


# ----------------------------------------- one thing read through another (F)

def fragments(w):
    text = pattern('packed', 9000)
    for what, node in (
            ('whole', Encoded(9000, whole(0))),
            ('whole-behind', Encoded(9000, whole(9000))),
            ('tail', full(9000, lambda b: head(HEAD1, 0, 0) + nonhead(1) +
                          nonhead(2), advise=FRAGMENT)),
            ('tail-compact', compact(9000, pack([(HEAD1, 0), (NONHEAD, 1)], 0) +
                                     pack([(NONHEAD, 1), (0, 0)], 0),
                                     advise=FRAGMENT)),
            ('tail-extent', extents(9000, 8, lambda b: rec8(0, 0),
                                    advise=FRAGMENT, bits=2))):
        # F1: the packed inode is a fragment, or ends in one: of itself
        img = image({'/v': Encoded(5000, whole(0)),
                     '/link': Encoded(20, whole(0), kind=e.S_IFLNK),
                     '/dir': Encoded(100, whole(0), kind=e.S_IFDIR)},
                    packed=node)
        w.put('packed-in-itself-' + what, img, 'read:any', 'readlink:any',
              'readdir:any')
    # F1: ... and it is an ordinary file of the tree
    node = Encoded(9000, whole(0))
    img = image({'/v': node}, build=False)
    img.build()
    img.sb['feature_incompat'] |= e.INCOMPAT_FRAGMENTS
    img.sb['packed_nid'] = img.node('/v').nid
    w.put('packed-in-tree-in-itself', img, 'read:any')
    # F: the packed inode as a file of the tree, read by both names
    img = image({'/p': File(text, layout=PLAIN),
                 '/v': Encoded(5000, whole(17))})
    img.sb['feature_incompat'] |= e.INCOMPAT_FRAGMENTS
    img.sb['packed_nid'] = img.node('/p').nid
    w.put('packed-in-tree', img)
    for what, off, size in (('at-end', 9000, 1), ('last', 8999, 2),
                            ('max', MAX, 5), ('2e62', 1 << 62, 100),
                            ('wraps', MAX, MAX), ('8eib', 0, MAX)):
        # F2: a fragment beyond the packed inode
        img = image({'/v': Encoded(size, whole(off)),
                     '/link': Encoded(min(size, 99), whole(off),
                                      kind=e.S_IFLNK)},
                    packed=File(text, layout=PLAIN))
        w.put('fragment-' + what, img, 'read:EUCLEAN')
    # F3, F4: fragments as large as can be, of a packed inode of no bytes
    for what, size in (('16m', 16 << 20), ('4g', (4 << 30) + 5), ('8eib', MAX)):
        hole = File(bytes(100), null=True, layout=PLAIN, extended=True)
        img = image({'/v': Encoded(size, whole(0))}, packed=hole, bit48=True)
        img.inode('#packed')['i_size'] = MAX
        w.put('fragment-of-hole-' + what, img)
    # F: no packed inode
    img = image({'/v': Encoded(9000, whole(0))})
    w.put('fragment-of-nothing', img, 'read:EUCLEAN')


def boxes(w):
    inner = raw_inode(INLINE, 100) + pattern('inner', 100)
    content = inner.ljust(8192, b'\0')

    def boxed(box, nid=BOX, **kw):
        img = image({'/v': File(b'v')}, box=box, **kw)
        img.dirent('/', 'v')['nid'] = nid
        return img

    w.put('box-plain', boxed(File(content, layout=PLAIN)))
    # S4, F5: the metabox is the packed inode, is a fragment of it, of itself
    img = boxed(File(content, layout=PLAIN))
    img.sb['feature_incompat'] |= e.INCOMPAT_FRAGMENTS
    img.sb['packed_nid'] = img.node('#box').nid
    w.put('box-is-packed', img)
    img = boxed(Encoded(8192, whole(0)), packed=File(content, layout=PLAIN))
    w.put('box-in-packed', img)
    img = boxed(Encoded(8192, whole(0)))
    img.sb['feature_incompat'] |= e.INCOMPAT_FRAGMENTS
    img.sb['packed_nid'] = img.node('#box').nid
    w.put('box-in-itself', img, 'lookup:any')
    img = boxed(Encoded(8192, whole(0)), packed=Encoded(8192, whole(0)))
    w.put('box-in-packed-in-itself', img, 'lookup:any')
    # F: an inode of the metabox is in the packed inode, or is the metabox
    frag = raw_inode(FULL, 5000) + whole(0)
    img = boxed(File(frag.ljust(8192, b'\0'), layout=PLAIN),
                packed=File(pattern('packed', 9000), layout=PLAIN))
    w.put('box-inode-in-packed', img)
    img = boxed(File(content, layout=PLAIN), nid=0)
    img.dirent('/', 'v')['nid'] = img.sb['metabox_nid']
    w.put('box-in-tree', img)
    # F: the root and its entries are in the metabox, and lead to each other
    name = struct.pack('<QHBB', BOX, 12 * 3, 2, 0) + \
        struct.pack('<QHBB', BOX, 12 * 3 + 1, 2, 0) + \
        struct.pack('<QHBB', BOX, 12 * 3 + 3, 2, 0) + b'...d'
    root = raw_inode(INLINE, len(name), mode=0o040755) + name
    img = boxed(File(root.ljust(8192, b'\0'), layout=PLAIN), bit48=True)
    img.sb['rootnid_8b'] = BOX
    w.put('box-root-loop', img, 'lookup:ELOOP')
    # F6: inline data and attributes behind the end of the metabox
    for what, raw in (
            ('tail', raw_inode(INLINE, 4000)),
            ('xattrs', raw_inode(PLAIN, 0)[:2] + b'\xff\xff' +
             raw_inode(PLAIN, 0)[4:]),
            ('header', raw_inode(FULL, 4000)),
            ('chunks', raw_inode(CHUNK, 1 << 30))):
        at = 8192 - 64
        img = boxed(File((bytes(at) + raw), layout=PLAIN), nid=BOX | at // 32)
        w.put('box-ends-' + what, img, 'any:EUCLEAN')
    # T: a metabox that goes on for ever, of nothing
    hole = File(bytes(100), null=True, layout=PLAIN, extended=True)
    img = boxed(hole, nid=BOX | 12345, bit48=True)
    img.inode('#box')['i_size'] = MAX
    w.put('box-of-hole', img, 'lookup:EUCLEAN')
    # X6: shared attributes, and prefixes, said to be where there is nothing
    for what, compat in (('shared', e.COMPAT_SHARED_EA_IN_METABOX),
                         ('plain', e.COMPAT_PLAIN_XATTR_PFX)):
        img = image({'/v': File(b'v', xattrs={'user.s': b'value'},
                                shared=['user.s'])},
                    box=File(content, layout=PLAIN), compat=compat)
        w.put('box-xattrs-' + what, img)


# --------------------------------------------------------- sizes and loops (T)

def endless(w):
    def boxed(name, raw, count, rest, *expected):
        """An inode in the metabox that rest follows for ever."""
        if rest is not None:
            raw += rest * ((CHUNK_SIZE - len(raw)) // len(rest))
            assert len(raw) == CHUNK_SIZE
        img = image({'/v': File(b'v')}, box=repeated(raw, count, rest),
                    bit48=True)
        img.dirent('/', 'v')['nid'] = BOX
        w.put('endless-' + name, img, *expected)

    def inode(size, advise, bits=0, pad=8):
        return raw_inode(FULL, size) + header(advise=advise, bits=bits) + \
            bytes(pad)

    # E7, T: a run of lengths that a look-up would add up one by one
    rec = struct.pack('<I', plen(1, LZ4))
    for name, count in (('', 16), ('-far', 65536)):
        nr = (count - 1) * CHUNK_SIZE // 4
        boxed('run' + name, inode(nr << 12, EXTENTS), count, rec, 'read:any')
    # T: holes that SEEK_DATA and FIEMAP would pass one by one
    for recsz in (4, 8):
        for bits, count in ((15, 1024), (9, 1024)):
            nr = (count - 1) * CHUNK_SIZE // recsz
            advise = EXTENTS | (2 if recsz == 8 else 0)
            size = min(nr << 12 + bits, MAX)
            boxed(f'holes-{recsz}-{bits}',
                  inode(size, advise, bits, 8 if recsz == 4 else 0), count,
                  None, '?')
    # Z2, T: a tail whose head is as far away as there are records
    for name, count, back in (('', 4096, 1), ('-far', 65536, 2047)):
        nr = (count - 1) * CHUNK_SIZE // 8
        boxed('lookback' + name, inode(nr << 12, FRAGMENT), count,
              nonhead(back), 'read:any')
    # Z: ... and lclusters without a next head
    nr = 4095 * CHUNK_SIZE // 8
    boxed('lookahead', inode(nr << 12, 0), 4096, nonhead(1, 0), 'read:any')
    # C, T: chunks that are holes, all of them, and every other one
    nr = 255 * CHUNK_SIZE // 4
    for name, rest in (('holes', b'\xff' * 8),
                       ('mixed', b'\xff' * 4 + struct.pack('<I', 1))):
        boxed('chunk-' + name, raw_inode(CHUNK, nr << 12), 256, rest)
    # T: an extent for each chunk, none of them a neighbour of the next
    for name, count in (('', 256), ('-far', 65536)):
        nr = (count - 1) * CHUNK_SIZE // 4
        boxed('chunk-data' + name, raw_inode(CHUNK, nr << 12), count,
              struct.pack('<I', 1))
        nr //= 2
        boxed('heads' + name, inode(nr << 12, 0), count, head(HEAD1, 0, 1),
              'read:any')
    # T: each extent asks anew for a tail whose head is 32767 records in front of it
    heads = head(HEAD1, 0, 1) * 200000 + nonhead(1) * 32767
    w.put('endless-tail', image(
        {'/v': full((200000 + 32767) << 12, heads, advise=FRAGMENT)},
        packed=File(bytes(65536), null=True, layout=PLAIN)), 'read:any')
    # D4: directories as large as can be
    names = struct.pack('<QHBB', BOX, 12 * 2, 2, 0) + \
        struct.pack('<QHBB', BOX, 12 * 2 + 2, 1, 0) + b'..m'
    block = names.ljust(4096, b'\0')
    for layout, what in ((CHUNK, 'chunks'), (FULL, 'fragment')):
        if layout == CHUNK:
            img = image({'/v': repeated(block * 16, 65536, block)})
            img.inode('/v')['i_mode'] = 0o040755
        else:
            img = image({'/v': Encoded(65536 << 16, whole(0),
                                       kind=e.S_IFDIR)},
                        packed=repeated(block * 16, 65536, block))
        w.put('dir-repeats-' + what, img, 'lookup:any')
    img = image({'/v': Dir(layout=PLAIN, extended=True)}, bit48=True)
    img.inode('/v')['i_size'] = MAX
    img.inode('/v')['i_u'] = 0xFFFFFFFF
    img.inode('/v')['i_nb'] = 0xFFFF
    w.put('dir-of-hole', img, 'readdir:EUCLEAN')
    # I1: a symlink of a whole hole
    img = image({'/v': Symlink('x' * 40, extended=True, layout=PLAIN)},
                bit48=True)
    img.inode('/v')['i_u'] = 0xFFFFFFFF
    img.inode('/v')['i_nb'] = 0xFFFF
    w.put('symlink-of-hole', img, 'readlink:EUCLEAN')


def eight_eib(w):
    """T: the largest file, in every form there is."""
    stored = front(lz4_run(8192))
    img = image({'/v': File(bytes(10), null=True, layout=PLAIN,
                            extended=True)}, bit48=True)
    img.inode('/v')['i_size'] = MAX
    w.put('8eib-hole', img)
    for form, node in (
            ('full', full(MAX, lambda b: head(HEAD1, 0, b), stored=stored)),
            ('full-32k', full(MAX, lambda b: head(HEAD1, 0, b) + nonhead(1),
                              stored=stored, bits=3)),
            ('full-tail', full(MAX, lambda b: head(HEAD1, 0, b),
                               stored=stored, advise=FRAGMENT)),
            ('full-inline', full(MAX, lambda b: head(HEAD1, 0, b),
                                 stored=stored, advise=INLINE_PCL, idata=50)),
            ('compact', compact(MAX, lambda b: pack([(HEAD1, 0), (HEAD1, 5)],
                                                    b - 1), stored=stored)),
            ('compact-2b', compact(MAX, bytes(64), stored=stored,
                                   advise=COMPACT_2B)),
            ('extents-4', extents(MAX, 4, struct.pack('<I', plen(4096, LZ4)),
                                  stored=stored, bits=15)),
            ('extents-8', extents(MAX, 8, lambda b: rec8(plen(4096, LZ4), b),
                                  stored=stored, bits=15)),
            ('extents-16', extents(MAX, 16, lambda b: rec16(plen(4096, LZ4), b,
                                                            0) +
                                   rec16(0, 0, 8192), stored=stored)),
            ('extents-32', extents(MAX, 32, lambda b: rec32(
                plen(4096, LZ4), b, 0) + rec32(0, 0, 8192) +
                rec32(plen(4096, LZ4), b, MAX - 8192), stored=stored))):
        img = image({'/v': node}, packed=File(pattern('p', 9000)), bit48=True)
        w.put('8eib-' + form, img, '?')


# ----------------------------------------------------------- indexes (Z rows)

def indexes(w):
    good = front(lz4_run(8192))

    def one(name, *expected, size=8192, **kw):
        w.put('index-' + name, image({'/v': full(size, stored=good, **kw)}),
              *expected)

    one('good', records=lambda b: head(HEAD1, 0, b) + nonhead(1))
    for ofs in (4096, 33024, 0xFFFF):
        # Z1: an extent starts behind its lcluster
        one(f'ofs-{ofs}', 'read:EUCLEAN',
            records=lambda b, o=ofs: head(HEAD1, o, b) + nonhead(1))
        one(f'ofs-{ofs}-second', 'read:EUCLEAN', size=12288,
            records=lambda b, o=ofs: head(HEAD1, 0, b) + head(HEAD1, o, b) +
            nonhead(1))
    for what, recs in (('0', nonhead(0)), ('self', nonhead(0, 0)),
                       ('past-start', nonhead(2)), ('max', nonhead(2047)),
                       ('huge', nonhead(0xF7FF))):
        # Z2: back to nowhere
        one('lookback-' + what, '?',
            records=lambda b, r=recs: head(HEAD1, 0, b) + r)
    # Z2: the head of the first byte would be before the file
    one('first-not-head', 'read:EUCLEAN', records=nonhead(1) * 2)
    one('first-ofs', 'read:EUCLEAN',
        records=lambda b: head(HEAD1, 100, b) + nonhead(1))
    # Z3: the way forth is never right
    for forth in (0, 1, 2, 0xFFFF):
        one(f'lookahead-{forth}',
            records=lambda b, f=forth: head(HEAD1, 0, b) + nonhead(1, f))
    # Z6: counts of blocks where none can be, and of none
    one('cblks-without-big', 'read:EUCLEAN',
        records=lambda b: head(HEAD1, 0, b) + nonhead(CBLKCNT | 1))
    one('cblks-0', advise=BIG1,
        records=lambda b: head(HEAD1, 0, b) + nonhead(CBLKCNT))
    one('big-without-cblks', 'read:EUCLEAN', advise=BIG1,
        records=lambda b: head(HEAD1, 0, b) + nonhead(1))
    for blocks in (257, 2047):
        # Z10: a pcluster of more than a megabyte
        one(f'cblks-{blocks}', 'read:any', advise=BIG1,
            records=lambda b, n=blocks: head(HEAD1, 0, b) +
            nonhead(CBLKCNT | n))
    # Z7, P7: a plain pcluster that would be longer than it is
    one('plain-long', 'read:EUCLEAN',
        records=lambda b: head(HEAD_PLAIN, 0, b) + nonhead(1))
    one('plain-long-interlaced', 'read:EUCLEAN', advise=INTERLACED,
        records=lambda b: head(HEAD_PLAIN, 7, b) + nonhead(1))
    # Z8: a pcluster where the superblock is
    one('blkaddr-0', 'read:any',
        records=lambda b: head(HEAD1, 0, 0) + nonhead(1))
    one('blkaddr-0-plain', size=4000, records=head(HEAD_PLAIN, 0, 0))
    one('blkaddr-max', 'read:EUCLEAN',
        records=lambda b: head(HEAD1, 0, ~0) + nonhead(1))
    # Z9: an algorithm that the image has not
    img = image({'/v': full(8192, lambda b: head(HEAD1, 0, b) + nonhead(1),
                            stored=good, algs=ZSTD)}, configs={LZ4:
                                                               CONFIGS[LZ4]})
    w.put('index-algorithm-absent', img, 'read:EUCLEAN')
    # R2, E6: extents that share a pcluster, with other lengths and algorithms
    one('shared', 'read:any', size=32768, algs=LZ4 | DEFLATE << 4,
        records=lambda b: b''.join(
            head(k, 0, b, f) + nonhead(1) for k, f in
            ((HEAD1, 0), (HEAD1, 0x8000), (HEAD2, 0), (HEAD1, 0x4000))))
    # Z16: an inline pcluster across blocks, behind the image, of one byte
    for what, size in (('1', 1), ('4095', 4095), ('max', 0xFFFF)):
        one('inline-' + what, 'read:any', advise=INLINE_PCL, idata=size,
            records=lambda b: head(HEAD1, 0, b) + nonhead(1))
    # Z16: it begins in the middle of an extent that is none
    one('inline-without-head', 'any:EUCLEAN', advise=INLINE_PCL, idata=20,
        records=nonhead(1) * 2)
    # F: both an inline tail and a fragment, and no packed inode
    one('inline-and-fragment', 'read:EUCLEAN', advise=INLINE_PCL | FRAGMENT,
        idata=20, records=lambda b: head(HEAD1, 0, b) + nonhead(1))
    for bits in (1, 3, 4, 15):
        # Z5: lclusters of several blocks
        one(f'clusterbits-{bits}', 'read:any' if bits > 3 else '?',
            bits=bits, records=lambda b: head(HEAD1, 0, b) + nonhead(1))
    # Z10: thirteen megabytes of one block
    n = 13 << 8
    one('long-13m', 'read:EOPNOTSUPP', size=n << 12,
        records=lambda b: head(HEAD1, 0, b) + b''.join(
            nonhead(min(k, 2047)) for k in range(1, n)))

    for bs in (512, 4096):
        for what, packs, adv, expected in (
                # Z4: an extent that does not hold the byte asked for
                ('back', pack([(HEAD1, 0), (NONHEAD, 2047)], 9), 0,
                 'read:any'),
                ('zero', bytes(64), 0, '?'),
                ('ones', b'\xff' * 64, 0, 'read:any'),
                ('nonheads', pack([(NONHEAD, 1), (NONHEAD, 1)], 9) * 8, 0,
                 'read:any'),
                ('big', pack([(NONHEAD, CBLKCNT | 5), (HEAD1, 0)], 9) * 8,
                 BIG1 | BIG2, 'read:any'),
                ('big-d1', pack([(NONHEAD, 1), (HEAD1, 0)], 9) * 8,
                 BIG1 | BIG2, 'read:any'),
                ('base-max', pack([(HEAD1, 0), (HEAD1, 0)], ~0) * 8, 0,
                 'read:any'),
                ('one-big', pack([(HEAD1, 0), (HEAD1, 0)], 9) * 8, BIG1,
                 'read:EUCLEAN')):
            img = image({'/v': compact(bs * 6, packs, adv, stored=good)},
                        bs=bs)
            w.put(f'compact-{what}-{bs}', img, expected)
    for bits in (3, 15):
        img = image({'/v': compact(4096 * 64, bytes(256), COMPACT_2B,
                                   stored=good, bits=bits)})
        w.put(f'compact-clusterbits-{bits}', img, 'read:EOPNOTSUPP')


# ----------------------------------------------------------- extents (E rows)

def encoded_extents(w):
    good = front(lz4_run(8192))

    def one(name, recsz, records, *expected, size=8192, **kw):
        w.put('extent-' + name, image({'/v': extents(
            size, recsz, records, stored=good, **kw)}, bit48=True), *expected)

    for recsz in (4, 8, 16, 32):
        def rec(n, pa, la=0, recsz=recsz):
            return {4: struct.pack('<I', n), 8: rec8(n, pa),
                    16: rec16(n, pa, la & 0xFFFFFFFF),
                    32: rec32(n, pa, la)}[recsz]
        kw = {'bits': 1} if recsz < 16 else {}
        one(f'good-{recsz}', recsz, lambda b, r=rec: r(plen(4096, LZ4), b),
            **kw)
        # E1: no length but reserved bits
        for bit in (21, 25, 26):
            one(f'reserved-{bit}-{recsz}', recsz,
                lambda b, r=rec, x=bit: r(1 << x, b), **kw)
            one(f'reserved-{bit}-lz4-{recsz}', recsz,
                lambda b, r=rec, x=bit: r(1 << x | 1 << 28, b), **kw)
        # E4: formats that are none
        for fmt in (5, 15):
            one(f'format-{fmt}-{recsz}', recsz,
                lambda b, r=rec, f=fmt: r(4096 | f << 28, b),
                'read:EOPNOTSUPP', **kw)
        # E5: plain, rotated, and not whole blocks
        for size in (1, 4095, 8191):
            one(f'plain-{size}-{recsz}', recsz,
                lambda b, r=rec, s=size: r(s, b), 'read:EUCLEAN',
                advise=INTERLACED, **kw)
        # Z10
        one(f'plen-max-{recsz}', recsz,
            lambda b, r=rec: r(0x1FFFFF | 1 << 28, b), 'read:any', **kw)
        # E2: addresses that wrap
        one(f'pa-max-{recsz}', recsz,
            lambda b, r=rec: r(plen(4096, LZ4), M64), 'read:EUCLEAN',
            start=M64 if recsz == 4 else None, **kw)
        # F: the last record is an offset that is none
        one(f'fragment-{recsz}', recsz, lambda b, r=rec: r(0xFFFFFFFF, M64),
            'read:EUCLEAN', advise=FRAGMENT, **kw)
    # E2: the sum of a run wraps only together with where it starts
    one('run-wraps', 4, struct.pack('<II', plen(0x1FFFFF, LZ4),
                                    plen(4096, LZ4)), 'read:any',
        start=M64 - 4096)
    one('pa-2e60-16', 16, lambda b: rec16(plen(4096, LZ4), 1 << 60, 0),
        'read:EUCLEAN')
    # E3: starts that do not ascend, or are outside
    for what, las, expected in (
            ('descend', (0, 6000, 3000), 'read:any'),
            ('same', (0, 4096, 4096), 'read:any'),
            ('all-same', (0, 0, 0), '?'),
            ('first-late', (4096, 5000, 6000), 'any:any'),
            ('outside', (0, 8192, 9000), 'read:EUCLEAN'),
            ('max', (0, 0xFFFFFFFF, 0xFFFFFFFF), 'read:EUCLEAN')):
        for recsz, rec in ((16, rec16), (32, rec32)):
            one(f'start-{what}-{recsz}', recsz, lambda b, r=rec, x=las: b''.join(
                r(plen(4096, LZ4), b, la) for la in x), expected)
    # E7: more records than the image has room for
    for what, count in (('0', 0), ('2', 2), ('8192', 8192), ('8193', 8193),
                        ('2e31', 1 << 31), ('max', (1 << 47) - 1)):
        one('count-' + what, 16, lambda b: rec16(plen(4096, LZ4), b, 0), '?',
            count=count)
    # S: a file of no bytes has no extents to be found
    for recsz in (4, 16):
        one(f'empty-{recsz}', recsz, b'', '?', size=0)


# ---------------------------------------------------------- decoders (P rows)

def crowds(w):
    """M1, T24: very many extents for one page, and each wants much of its own."""
    def crowd(name, count, length, *expected, alg=None, each=1 << 20):
        """Extents of so many bytes, each of so many stored ones."""
        def records(at):
            return b''.join(rec16(plen(each, alg, True), at + n, n * length)
                            for n in range(count))
        w.put('crowd-' + name, image({'/v': extents(
            count * length, 16, records, stored=bytes(each + count))},
            bit48=True), *expected)

    # whole megabytes, of which each gives a few bytes
    for length in (1, 63, 64, 512):
        crowd(f'plain-{length}', 4096, length,
              'read:EUCLEAN' if length < 64 else '?')
    # ... and a block each, which is what deduplication may make
    crowd('plain-4096', 64, 4096)
    # one stored byte each
    crowd('bytes', 32768, 1, 'read:EUCLEAN', each=1)
    for alg, name in enumerate(('lz4', 'lzma', 'deflate', 'zstd')):
        crowd(name, 4096, 1, 'read:EUCLEAN', alg=alg)
        crowd(name + '-bytes', 32768, 1, 'read:EUCLEAN', alg=alg, each=1)


def decoders(w):
    good = {LZ4: lz4_run(8192), LZMA: microlzma(b'a' * 8192),
            DEFLATE: deflate(b'a' * 8192), ZSTD: zstd_run(8192)}
    names = {LZ4: 'lz4', LZMA: 'lzma', DEFLATE: 'deflate', ZSTD: 'zstd'}

    def one(name, alg, stream, *expected, size=8192, flags=0):
        stored = front(stream, e.align(max(len(stream), 1), 4096))

        def records(b):
            return rec16(plen(len(stored), alg, bool(flags)), b, 0)
        w.put(f'{names[alg]}-{name}', image({'/v': extents(
            size, 16, records, stored=stored)}, bit48=True), *expected)

    for alg, stream in good.items():
        # LZMA's encoder here marks the end, which must not be asked for
        one('good', alg, stream, flags=alg == LZMA)
        # P16: nothing but padding
        one('zeroes', alg, b'', 'read:any')
        # P9, P10: cut where it may hurt; the last of each is only too short
        for n in sorted({1, 2, 3, 4, 5, 6, 7, len(stream) // 2,
                         len(stream) - 1}):
            one(f'cut-{n}', alg, stream[:n], 'read:any')
        # P17: shorter, and longer, than it should be
        one('short', alg, stream, 'read:any', size=8193)
        one('long', alg, stream, 'read:EUCLEAN', size=8191)
        one('long-partial', alg, stream, size=5000, flags=1)
        # garbage of each beginning
        for n in range(8):
            one(f'noise-{n}', alg, pattern(f'noise{n}', 4000), 'read:any')
        one('ones', alg, b'\xff' * 4096, 'read:any')
        # Claimed by two extents, by the second for less than it holds: what was
        # decoded for the first must not hide that
        stored = front(stream, e.align(len(stream), 4096))

        def records(b, alg=alg, stored=stored):
            return (rec16(plen(len(stored), alg, alg == LZMA), b, 0) +
                    rec16(plen(len(stored), alg), b, 8192))
        w.put(f'{names[alg]}-claimed-twice', image({'/v': extents(
            12288, 16, records, stored=stored)}, bit48=True), 'read:EUCLEAN')
    # P18: as much as there can be, in one block, and again and again
    bomb = 12 << 20
    one('bomb', DEFLATE, deflate(b'a' * bomb), size=bomb)
    one('bomb', LZMA, microlzma(b'a' * bomb, 8 << 20), size=bomb, flags=1)
    one('bomb', ZSTD, zstd_run(bomb), size=bomb)
    one('bomb', LZ4, lz4_run(bomb), size=bomb)
    for alg, stream in ((ZSTD, zstd_run(bomb)), (DEFLATE,
                                                 deflate(b'a' * bomb))):
        stored = front(stream, e.align(len(stream), 4096))
        many = 4000

        def records(b, alg=alg, stored=stored):
            return b''.join(rec32(plen(len(stored), alg), b, n * bomb)
                            for n in range(many))
        img = image({'/v': extents(many * bomb, 32, records, stored=stored)},
                    bit48=True)
        w.put(f'{names[alg]}-bombs', img)
        # ... as a metabox, and as a packed inode
        img = image({'/v': File(b'v')}, box=extents(
            many * bomb, 32, records, stored=stored), bit48=True)
        img.dirent('/', 'v')['nid'] = BOX | (many * bomb // 2) // 32
        w.put(f'{names[alg]}-bombs-box', img, 'lookup:any')
        img = image({'/v': Encoded(many * bomb, whole(0)),
                     '/dir': Encoded(many * bomb, whole(5), kind=e.S_IFDIR)},
                    packed=extents(many * bomb, 32, records, stored=stored),
                    bit48=True)
        w.put(f'{names[alg]}-bombs-packed', img, 'readdir:any')
    # A window beyond the one the image is said to have, and beyond all
    for window in (10, 11, 21, 31):
        one(f'window-{window}', ZSTD, zstd_run(8192, window=window),
            *(['read:any'] if window > 10 else []))
    # Frames that are to be skipped, and others that follow
    skip = struct.pack('<II', 0x184D2A50, 1000)
    one('skippable', ZSTD, skip + bytes(1000) + good[ZSTD], 'read:any')
    one('skippable-max', ZSTD, struct.pack('<II', 0x184D2A50, 0xFFFFFFFF),
        'read:any')
    one('two-frames', ZSTD, good[ZSTD] * 2, '?')
    one('empty-blocks', ZSTD, struct.pack('<I', 0xFD2FB528) + b'\0\x38' +
        bytes(3) * 1300, 'read:any')
    # P10: blocks that give nothing
    one('empty-blocks', DEFLATE, b'\x08' + b'\0\0\xff\xff' + b'\0\0\0\xff\xff' *
        800, 'read:any')
    # Matches from before the start
    one('far-match', LZ4, b'\x14a\xff\xff' + b'\x50aaaaa', 'read:any')
    one('far-match-0', LZ4, b'\x1fa\0\0\xff\0' + b'\x50aaaaa', 'read:any')
    one('lengths', LZ4, b'\xff' * 4090, 'read:any')


def main():
    w = Writer(sys.argv[1])
    for part in (fragments, boxes, endless, eight_eib, indexes,
                 encoded_extents, crowds, decoders):
        part(w)
    w.finish()
    print(f'{len(w.lines)} images')


if __name__ == '__main__':
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
should_fail.py OUTDIR: damaged images, and what each of them must answer.

Takes away what an earlier run has left in OUTDIR, then writes
should-fail-<why>.img, a control set good-<what>.img with its expected
tree good-<what>.expect, extra devices, and list.txt with one line for each
check (several checks may share an image; they are separate mounts):

    name stage target errno [key=value ...]

stage: mount, stat, readdir, lookup, read, readlink, getxattr, listxattr: what
must fail with errno; "ok": nothing may. target: path inside, "-" for mount.
devices=a,b  opts=a=1,b  as given to the mount
xattr=NAME   the attribute of getxattr
off=N        read: where to start (0); pat=N: so many first bytes of the file
             are good, and must be so if they are delivered
log=none     the answer is a right one, of which nobody needs be told
log=late     "ok": what nobody waits for is damaged, and one line tells of it at
             some time

Every image that mounts holds the undamaged file /ok. What is as large as a
superblock is a multiple of 512 bytes, so that a block device can show all of
it, and has the same answer.

Which errno: no superblock EINVAL; checksum EBADMSG; unknown features, forms
and formats EOPNOTSUPP; wrong options EINVAL; everything else EUCLEAN.
"""
import gzip
import os
import random
import struct
import sys

import erofsimg as e
from erofsimg import (CHUNK, COMPACT_IDX, FULL, HOLE, INLINE, PLAIN, Device,
                      Dir, Encoded, File, Image, Special, Symlink, pattern)

# Set once encoded inodes can be read: their valid examples change sides
ENCODED_READABLE = True

OK_SIZE = 5000
U64 = 1 << 64
META_LAST = ('devt', 'prefix', 'shared', 'data', 'meta')


class Writer:
    def __init__(self, outdir):
        self.outdir, self.lines, self.images = outdir, [], {}
        os.makedirs(outdir, exist_ok=True)
        for name in os.listdir(outdir):
            if name.startswith(('good-', 'should-fail-')) or \
               name == 'list.txt':
                os.unlink(os.path.join(outdir, name))

    def put(self, name, raw):
        with open(os.path.join(self.outdir, name), 'wb') as f:
            f.write(raw)

    def fail(self, why, img, stage, target, errno, *more, fix=True,
             devices=None, **keys):
        """more: further checks of the same image, (stage, target[, keys])."""
        name = 'should-fail-' + why
        if name in self.images:
            raise ValueError(f'{name} twice')
        raw = img if isinstance(img, bytes) else img.tobytes(fix)
        if len(raw) % 512 and len(raw) >= e.SB_OFFSET + e.SB_SIZE:
            raise ValueError(f'{name} has {len(raw)} bytes')
        self.images[name] = len(raw)
        self.put(name + '.img', raw)
        if devices is None and isinstance(img, Image) and not img.flat:
            devices = [bytes(d.buf) for d in img.devices]
        names = []
        for n, data in enumerate(devices or ()):
            names.append(f'{name}.dev{n + 1}')
            self.put(names[-1], data)
        if names:
            keys['devices'] = ','.join(names)
        self.line(name, stage, target, errno, keys)
        for stage, target, *extra in more:
            extra = dict(extra[0]) if extra else {}
            extra = {k: v for k, v in {**keys, **extra}.items()
                     if v is not None}
            self.line(name, stage, target, extra.pop('errno', errno), extra)

    def good(self, what, img, opts=None, fix=True, raw=None, log=None):
        name = 'good-' + what
        if name in self.images:
            raise ValueError(f'{name} twice')
        raw = raw or img.tobytes(fix)
        self.images[name] = len(raw)
        self.put(name + '.img', raw)
        self.put(name + '.expect', img.expected().encode())
        keys = {}
        if img.devices and not img.flat:
            for n, dev in enumerate(img.devices):
                self.put(f'{name}.dev{n + 1}', bytes(dev.buf))
            keys['devices'] = ','.join(
                f'{name}.dev{n + 1}' for n in range(len(img.devices)))
        if opts:
            keys['opts'] = opts
        if log:
            keys['log'] = log
        self.line(name, 'ok', '-', '0', keys)

    def line(self, name, stage, target, errno, keys):
        self.lines.append(' '.join([name, stage, target, errno] +
                                   [f'{k}={v}' for k, v in keys.items()]))

    def finish(self):
        self.put('list.txt', ('\n'.join(self.lines) + '\n').encode())


def base(nodes=(), build=True, **kw):
    """/ok, the directory /d, and what a case is about."""
    img = Image(**kw)
    img.add('/ok', File(pattern('/ok', OK_SIZE)))
    img.add('/d', Dir())
    for name in ('a', 'bb', 'ccc', 'm1', 'zz'):
        img.add('/d/' + name, File(name.encode()))
    for path, node in dict(nodes).items():
        img.add(path, node)
    return img.build() if build else img


# ------------------------------------------------------ not EROFS, or cut

def foreign(w):
    whole = base().tobytes()
    for size in (0, 1, 512, 1023, 1024, 1100, 1151):
        w.fail(f'trunc-{size}', whole[:size], 'mount', '-', 'EINVAL')
    ext4 = bytearray(65536)
    struct.pack_into('<IIIIIIIIIIIIIHH', ext4, 1024, 16, 64, 3, 48, 5, 1, 2,
                     8192, 8192, 16, 0, 0, 0, 0xffff, 0xEF53)
    squash = b'hsqs' + struct.pack('<IIIIHHHHHH', 5, 0, 131072, 1, 1, 17, 192,
                                   1, 4, 0)
    random.seed(1)
    for why, raw in (
            ('zero', bytes(65536)), ('ones', b'\xff' * 65536),
            ('ext4', bytes(ext4)), ('squashfs', squash.ljust(65536, b'\0')),
            ('gzip', gzip.compress(random.randbytes(32768), mtime=0)[:32768]),
            ('text', b'The quick brown fox jumps over the lazy dog.\n' * 1024),
            ('random', random.randbytes(65536)),
            ('sb-at-0', whole[1024:] + bytes(1024)),
            ('sb-at-512', whole[512:] + bytes(512)),
            ('sb-at-4096', bytes(3072) + whole),
            ('swapped', whole[:1024] + whole[1024:1028][::-1] + whole[1028:])):
        w.fail('foreign-' + why, raw[:len(raw) // 512 * 512], 'mount', '-',
               'EINVAL')


def cut(w):
    """Each structure in turn is what the image has lost, and nothing else."""
    whole = base(checksum=False)
    whole.cut(1536)
    w.fail('cut-after-sb', whole, 'mount', '-', 'EUCLEAN')
    # There is no telling whether a checksum matches bytes that are not there
    img = base()
    raw = img.tobytes()
    w.fail('cut-in-checksum', raw[:2048], 'mount', '-', 'EUCLEAN')
    # The slots of the superblock are all that lies outside
    img = Image(bs=512).build()
    img.sb['sb_extslots'] = (len(img.buf) - 1152) // 16 + 1
    w.fail('cut-in-extslots', img, 'mount', '-', 'EUCLEAN')

    img = base({'/v': File(pattern('/v', 4096), layout=CHUNK, index=True,
                           device=lambda c: 1)}, devices=[Device('x')],
               sections=('prefix', 'shared', 'meta', 'data', 'devt'))
    img.cut(img.pos['devt'])
    w.fail('cut-device-table', img, 'mount', '-', 'EUCLEAN')
    attrs = {'user.pre.fix.a': b'1', 'user.b': b'2' * 40}
    img = base({'/v': File(b'v', xattrs=attrs)}, prefixes=[(1, 'pre.fix.')],
               sections=('devt', 'shared', 'meta', 'data', 'prefix'))
    img.cut(img.pos['prefix'])
    w.fail('cut-prefixes', img, 'mount', '-', 'EUCLEAN')
    img = base(bs=512, extslots=24,
               configs={0: struct.pack('<HH10x', 65535, 1)})
    img.cut(img.config_offs[0])
    w.fail('cut-config', img, 'mount', '-', 'EUCLEAN')
    img = base(sections=META_LAST)
    img.cut(img.pos['meta'])
    w.fail('cut-root', img, 'mount', '-', 'EUCLEAN')

    for bs in (512, 4096):
        img = base({'/v': File(b'v', at=0, last=True)}, sections=META_LAST,
                   bs=bs)
        img.cut(img.node('/v').pos)
        w.fail(f'cut-inode-{bs}', img, 'stat', '/v', 'EUCLEAN')
        img = base({'/v': File(pattern('/v', bs), at=-32, last=True,
                               extended=True)}, sections=META_LAST, bs=bs)
        img.cut(img.node('/v').pos + 32)
        w.fail(f'cut-inode-half-{bs}', img, 'stat', '/v', 'EUCLEAN')
        img = base({'/v': File(b'vvv', at=-32, last=True, layout=INLINE)},
                   sections=META_LAST, bs=bs)
        img.cut(img.node('/v').pos + 32)
        w.fail(f'cut-tail-{bs}', img, 'read', '/v', 'EUCLEAN')
        img = base({'/v': File(pattern('/v', bs), at=-32, last=True,
                               xattrs=attrs)}, sections=META_LAST, bs=bs)
        img.cut(img.node('/v').pos + 32)
        w.fail(f'cut-xattr-body-{bs}', img, 'getxattr', '/v', 'EUCLEAN',
               ('listxattr', '/v', {'xattr': None}), xattr='user.b')
        img = base({'/v': File(pattern('/v', bs), at=-32, last=True,
                               layout=CHUNK)}, sections=META_LAST, bs=bs)
        img.cut(img.node('/v').pos + 32)
        w.fail(f'cut-chunk-map-{bs}', img, 'read', '/v', 'EUCLEAN')
        img = base({'/v': File(pattern('/v', 2 * bs), layout=PLAIN)}, bs=bs)
        img.cut(img.content_pos('/v', 0))
        w.fail(f'cut-data-{bs}', img, 'read', '/v', 'EUCLEAN')
    img = base({'/v': File(pattern('/v', 16384), layout=PLAIN)})
    img.cut(img.content_pos('/v', 8192))
    w.fail('cut-data-half', img, 'read', '/v', 'EUCLEAN',
           ('read', '/v', {'off': 12288}), pat=8192)
    img = base({'/v': Symlink('t' * 600, layout=PLAIN)}, bs=512)
    img.cut(img.content_pos('/v', 512))
    w.fail('cut-symlink', img, 'readlink', '/v', 'EUCLEAN')
    img = base({'/v': File(b'v', xattrs=attrs, shared=['user.b'])},
               sections=('devt', 'prefix', 'meta', 'data', 'shared'))
    img.cut(img.pos['shared'])
    w.fail('cut-shared-xattrs', img, 'getxattr', '/v', 'EUCLEAN',
           ('listxattr', '/v', {'xattr': None}), xattr='user.b')
    img = big_dir()
    img.cut(img.content_pos('/v', 512))
    w.fail('cut-dir', img, 'readdir', '/v', 'EUCLEAN',
           ('lookup', '/v/' + last_name(img, 1)))


# ------------------------------------------------------------- superblock

def superblock(w):
    def mount(why, errno, fields, fix=True, opts=None, **kw):
        img = base(**kw)
        for name, value in fields.items():
            img.sb[name] = value
        keys = {'opts': opts} if opts else {}
        w.fail(why, img, 'mount', '-', errno, fix=fix, **keys)

    mount('magic-0', 'EINVAL', {'magic': 0})
    mount('magic-off-by-one', 'EINVAL', {'magic': e.MAGIC + 1})
    for bs in (512, 1024, 4096):
        img = base(bs=bs)
        img.fix_checksum()
        img.sb['checksum'] ^= 1
        w.fail(f'checksum-bit-{bs}', img, 'mount', '-', 'EBADMSG', fix=False)
        # The last byte that the checksum covers, on each size of block
        img = base(bs=bs)
        img.fix_checksum()
        last = 4095 if bs == 4096 else 1024 + bs - 1
        img.patch(last, bytes([img.buf[last] ^ 0x80]))
        w.fail(f'checksum-last-byte-{bs}', img, 'mount', '-', 'EBADMSG',
               fix=False)
    mount('checksum-0', 'EBADMSG', {'checksum': 0}, fix=False)
    img = base()
    img.fix_checksum(invert=True)
    w.fail('checksum-inverted', img, 'mount', '-', 'EBADMSG', fix=False)
    img = base()
    img.fix_checksum()
    img.sb['volume_name'] = b'other'
    w.fail('checksum-label', img, 'mount', '-', 'EBADMSG', fix=False)

    for bits in (0, 1, 8, 17, 31, 32, 63, 64, 0xdb, 255):
        mount(f'blkszbits-{bits}', 'EUCLEAN', {'blkszbits': bits}, fix=False,
              checksum=False)
    for bits in (13, 14, 15, 16):
        mount(f'blkszbits-{bits}', 'EOPNOTSUPP', {'blkszbits': bits},
              fix=False, checksum=False)
    # With a wrong size of block there is no telling what a checksum covers,
    # so that the size is what is told
    mount('blkszbits-255-checksum', 'EUCLEAN', {'blkszbits': 255}, fix=False)
    for bits in (1, 12, 255):
        mount(f'dirblkbits-{bits}', 'EUCLEAN', {'dirblkbits': bits})
    for bit in range(9, 32):
        mount(f'incompat-bit{bit:02}', 'EOPNOTSUPP',
              {'feature_incompat': 1 << bit})
    mount('incompat-ones', 'EOPNOTSUPP', {'feature_incompat': 0xFFFFFFFF})
    for slots in (185, 255):
        mount(f'extslots-{slots}', 'EUCLEAN', {'sb_extslots': slots})

    box = e.INCOMPAT_METABOX | e.INCOMPAT_48BIT
    # The field that is not there, taken as zero, would name a file
    img = base(incompat=box)
    img.patch(img.pos['meta'], struct.pack('<HHHH24x', 0, 0, 0o100644, 1))
    w.fail('metabox-no-slot', img, 'mount', '-', 'EUCLEAN')
    mount('metabox-nid-bit63', 'EUCLEAN',
          {'feature_incompat': box, 'metabox_nid': 1 << 63 | 1}, extslots=1)
    mount('metabox-nid-outside', 'EUCLEAN',
          {'feature_incompat': box, 'metabox_nid': 1 << 40}, extslots=1)
    mount('metabox-nid-overflow', 'EUCLEAN',
          {'feature_incompat': box, 'metabox_nid': (1 << 63) - 1}, extslots=1)
    mount('packed-nid-bit63', 'EUCLEAN',
          {'feature_incompat': e.INCOMPAT_FRAGMENTS,
           'packed_nid': 1 << 63 | 1})
    mount('packed-nid-outside', 'EUCLEAN',
          {'feature_incompat': e.INCOMPAT_FRAGMENTS, 'packed_nid': 1 << 40})
    img = base(incompat=e.INCOMPAT_FRAGMENTS)
    img.sb['packed_nid'] = 1 << 59 | img.node('/ok').nid
    w.fail('packed-nid-overflow', img, 'mount', '-', 'EUCLEAN')
    # What is read as a file has to be one
    img = base(incompat=e.INCOMPAT_FRAGMENTS)
    img.sb['packed_nid'] = img.node('/d').nid
    w.fail('packed-is-dir', img, 'mount', '-', 'EUCLEAN')
    img = base(incompat=box, extslots=1)
    img.sb['metabox_nid'] = img.node('/d').nid
    w.fail('metabox-is-dir', img, 'mount', '-', 'EUCLEAN')
    share = e.COMPAT_ISHARE_XATTRS
    mount('ishare-no-prefixes', 'EUCLEAN', {}, compat=share)
    for number in (1, 2, 255):
        mount(f'ishare-prefix-{number}', 'EUCLEAN',
              {'ishare_xattr_prefix_id': number}, compat=share,
              prefixes=[(0, 'erofs.fingerprint.v1')])
    # A format that no reader knows stays unsupported when encoded inodes
    # can be read
    img = Image(extslots=1, incompat=e.INCOMPAT_LZ4_0PADDING)
    img.add('/ok', File(pattern('/ok', OK_SIZE)))
    img.add_hidden('box', encoded_unknown(4096))
    img.build()
    img.sb['feature_incompat'] |= box
    img.sb['metabox_nid'] = img.node('#box').nid
    img.sb['rootnid_8b'] = 1 << 63 | 1
    w.fail('metabox-encoded-root', img, 'mount', '-', 'EOPNOTSUPP')

    mount('root-nid-outside', 'EUCLEAN', {'rootnid_2b': 0xFFFF})
    # The low bits are the root's, for those who lose the others on the way
    root = base(bit48=True).node('/').nid
    for why, nid in (('2e32', 1 << 32), ('2e40', 1 << 40), ('2e59', 1 << 59),
                     ('2e62', 1 << 62), ('bit63-no-metabox', 1 << 63)):
        mount('root-nid-' + why, 'EUCLEAN', {'rootnid_8b': nid | root},
              bit48=True)
    mount('root-nid-max', 'EUCLEAN', {'rootnid_8b': (1 << 63) - 1},
          bit48=True)
    # Zero bytes are no inode: they have no type
    mount('root-nid-0-empty', 'EUCLEAN', {'rootnid_2b': 0})
    for what, path in (('file', '/ok'), ('symlink', '/s'), ('device', '/c')):
        img = base({'/s': Symlink('d'), '/c': Special(e.S_IFCHR, 1, 3)})
        img.sb['rootnid_2b'] = img.node(path).nid
        w.fail(f'root-is-{what}', img, 'mount', '-', 'EUCLEAN')
    img = base()
    img.inode('/').patch(0, b'\xff' * 32)
    w.fail('root-ones', img, 'mount', '-', 'EOPNOTSUPP')
    img = base()
    img.inode('/')['i_mode'] = 0o755
    w.fail('root-no-type', img, 'mount', '-', 'EUCLEAN')
    img = base()
    img.inode('/')['i_format'] = 7 << 1
    w.fail('root-layout-7', img, 'mount', '-', 'EOPNOTSUPP')
    # Data is no inode either; this one begins with format bits that are none
    img = base(checksum=False)
    if not img.buf[img.content_pos('/ok', 0) + 1]:
        raise ValueError('choose other data')
    img.sb['rootnid_2b'] = \
        (img.content_pos('/ok', 0) - img.pos['meta']) // 32
    w.fail('root-in-data', img, 'mount', '-', 'EOPNOTSUPP')
    for why, value in (('max', 0xFFFFFFFF), ('2e31', 1 << 31)):
        mount(f'meta-blkaddr-{why}', 'EUCLEAN', {'meta_blkaddr': value})
    # 32 bits of bytes are not enough for 32 bits of blocks
    img = base()
    img.sb['meta_blkaddr'] += 1 << 20
    w.fail('meta-blkaddr-wraps', img, 'mount', '-', 'EUCLEAN')
    img = base()
    img.sb['meta_blkaddr'] = img.blocks
    w.fail('meta-blkaddr-end', img, 'mount', '-', 'EUCLEAN')

    for why, opt in (('unaligned', 100), ('in-block', 512),
                     ('past-end', 1 << 40), ('max', (1 << 63) - 4096)):
        img = base(checksum=False)
        raw = img.tobytes()
        # An image is there, and still that is no place for one
        if why in ('unaligned', 'in-block'):
            raw = (bytes(opt) + raw).ljust(len(raw) + 512, b'\0')
        w.fail('fsoffset-' + why, raw, 'mount', '-', 'EINVAL',
               opts=f'fsoffset={opt}')


def prefixes(w):
    def make(**kw):
        return base({'/v': File(b'v', xattrs={'user.one.a': b'1',
                                              'user.two.b': b'2',
                                              'user.c': b'3'})},
                    prefixes=[(1, 'one.'), (1, 'two.')], **kw)

    for why, value in (('start-max', 0xFFFFFFFF), ('start-2e29', 1 << 29),
                       ('start-wraps', 1 << 30)):
        img = make()
        if why != 'start-max':
            value |= img.sb['xattr_prefix_start']
        img.sb['xattr_prefix_start'] = value
        w.fail('prefix-' + why, img, 'mount', '-', 'EUCLEAN')
    for n in (0, 1):
        for size in (0, 257, 0xFFFF):
            img = make()
            img.prefix(n)['len'] = size
            w.fail(f'prefix{n}-len-{size}', img, 'mount', '-', 'EUCLEAN')
    img = make()
    img.sb['xattr_prefix_count'] = 3
    w.fail('prefix-count-3', img, 'mount', '-', 'EUCLEAN')
    # An index of an entry has room for 128 of them
    img = base(prefixes=[(1, f'{n}.') for n in range(129)])
    w.fail('prefix-count-129', img, 'mount', '-', 'EUCLEAN')
    img = make(sections=('devt', 'shared', 'meta', 'data', 'prefix'))
    img.patch(len(img.buf) - 8, struct.pack('<HB5s', 200, 1, b'x'))
    img.sb['xattr_prefix_start'] = (len(img.buf) - 8) // 4
    w.fail('prefix-past-end', img, 'mount', '-', 'EUCLEAN')
    img = base({'/v': File(b'v', xattrs={'user.one.a': b'1'})}, build=False,
               prefixes=[(1, 'one.')], prefix_in_packed=True)
    img.add_packed(File(pattern('/packed', 100)))
    img.build()
    img.sb['xattr_prefix_start'] = 64
    w.fail('prefix-past-packed', img, 'mount', '-', 'EUCLEAN')
    img = base({'/v': File(b'v')}, build=False, prefixes=[(1, 'one.')],
               incompat=e.INCOMPAT_LZ4_0PADDING)
    img.add_packed(encoded_unknown(4096))
    img.build()
    w.fail('prefix-in-encoded-packed', img, 'mount', '-', 'EOPNOTSUPP')
    # Names that nobody can name are skipped, and are no fault
    img = make()
    img.xattr_entry('/v', 0)['e_name_index'] = 0x82
    w.fail('prefix-index-2', img, 'getxattr', '/v', 'ENODATA',
           ('getxattr', '/v', {'xattr': 'user.one.zz'}),
           xattr='user.one.a', log='none')
    img = make()
    img.xattr_entry('/v', 2)['e_name_index'] = 0xFF
    w.fail('prefix-index-127', img, 'getxattr', '/v', 'ENODATA',
           xattr='user.c', log='none')


def configs(w):
    lz4 = struct.pack('<HH10x', 65535, 1)
    lzma = struct.pack('<IH8x', 1 << 16, 0)
    deflate = struct.pack('<B5x', 15)
    zstd = struct.pack('<BB4x', 0, 5)

    # An unknown number of a format is a thing this reader has not; a value
    # that no format allows is a contradiction. A window of DEFLATE beyond 15
    # bits is the former, as with Linux
    for why, errno, table in (
            ('lz4-short', 'EUCLEAN', {0: lz4[:13]}),
            ('lz4-pclusters-257', 'EUCLEAN',
             {0: struct.pack('<HH10x', 65535, 257)}),
            ('lzma-short', 'EUCLEAN', {1: lzma[:13]}),
            ('lzma-dict-0', 'EUCLEAN', {1: bytes(14)}),
            ('lzma-dict-4095', 'EUCLEAN', {1: struct.pack('<IH8x', 4095, 0)}),
            ('lzma-dict-8m1', 'EUCLEAN',
             {1: struct.pack('<IH8x', (8 << 20) + 1, 0)}),
            ('lzma-format-1', 'EOPNOTSUPP',
             {1: struct.pack('<IH8x', 1 << 16, 1)}),
            ('deflate-short', 'EUCLEAN', {2: deflate[:5]}),
            ('deflate-window-16', 'EOPNOTSUPP', {2: struct.pack('<B5x', 16)}),
            ('zstd-short', 'EUCLEAN', {3: zstd[:5]}),
            ('zstd-format-1', 'EOPNOTSUPP', {3: struct.pack('<BB4x', 1, 5)}),
            ('zstd-window-11', 'EUCLEAN', {3: struct.pack('<BB4x', 0, 11)}),
            ('second-short', 'EUCLEAN', {0: lz4, 3: zstd[:2]})):
        w.fail('config-' + why, base(configs=table), 'mount', '-', errno)
    for why, alg, size in (('len-0', 0, 0), ('len-max', 0, 0xFFFF),
                           ('second-len-max', 2, 0xFFFF)):
        img = base(configs={0: lz4, 2: deflate})
        img.config(alg)['len'] = size
        w.fail('config-' + why, img, 'mount', '-', 'EUCLEAN')
    # One record more is promised than is there: zeroes follow
    img = base(configs={0: lz4})
    img.sb['available_compr_algs'] = 0b1001
    w.fail('config-absent', img, 'mount', '-', 'EUCLEAN')
    for bit in range(4, 16):
        img = base(configs={0: lz4})
        img.sb['available_compr_algs'] |= 1 << bit
        w.fail(f'algorithm-bit{bit:02}', img, 'mount', '-', 'EOPNOTSUPP')


# ---------------------------------------------------------------- devices

def on_devices(count, path='/v', size=32768, **kw):
    """A file whose chunks alternate over all extra devices."""
    kw.setdefault('devices', [Device(f'dev{n + 1}') for n in range(count)])
    return base({path: File(pattern(path, size), layout=CHUNK, index=True,
                            device=lambda c: 1 + c % count)}, **kw)


def devices(w):
    def two():
        img = on_devices(2)
        return img, [bytes(d.buf) for d in img.devices]

    for why, value in (('max', 0xFFFF), ('8m', 0x8000)):
        img, devs = two()
        img.sb['devt_slotoff'] = value
        w.fail(f'devt-slotoff-{why}', img, 'mount', '-', 'EUCLEAN')
    # The table's end lies outside, whether or not anybody gives a device
    img, devs = two()
    img.sb['extra_devices'] = 0xFFFF
    w.fail('devt-65535', img, 'mount', '-', 'EUCLEAN', devices=[])
    img = on_devices(2, sections=('prefix', 'shared', 'meta', 'data', 'devt'))
    img.cut(img.pos['devt'] + 512)
    img.sb['extra_devices'] = 5
    w.fail('devt-slot5-outside', img, 'mount', '-', 'EUCLEAN', devices=[])
    for why, fields in (
            ('1-in-primary', (0, {'uniaddr_lo': 1})),
            ('2-in-primary', (1, {'uniaddr_lo': 2})),
            ('1-and-2', (1, {'uniaddr_lo': None})),
            ('1-grown-into-2', (0, {'blocks_lo': 0x1000})),
            ('1-grown-max', (0, {'blocks_lo': 0xFFFFFFFF}))):
        img, devs = two()
        slot, fields = fields
        for name, value in fields.items():
            if value is None:
                value = img.devslot(0)['uniaddr_lo'] + 1
            img.devslot(slot)[name] = value
        w.fail('uniaddr-overlap-' + why, img, 'mount', '-', 'EUCLEAN')

    img, devs = two()
    w.fail('devices-1-of-2', img, 'mount', '-', 'EINVAL', devices=devs[:1])
    w.fail('devices-3-of-2', img, 'mount', '-', 'EINVAL',
           devices=devs + devs[:1])
    w.fail('devices-1-of-0', base(), 'mount', '-', 'EINVAL',
           devices=devs[:1])

    # Chunk 1 is the first on device 2
    off = {'off': 4096}
    for why, number in (('3-of-2', 3), ('7-of-4', 7)):
        img = on_devices(2 if number == 3 else 4)
        img.chunk('/v', 1)['device_id'] = number
        w.fail('chunk-device-' + why, img, 'read', '/v', 'EUCLEAN',
               ('read', '/v', off), pat=4096)
    for why, value in (('max', 0xFFFFFFFE), ('2e20', 1 << 20), ('end', 4)):
        img, devs = two()
        img.chunk('/v', 1)['startblk_lo'] = value
        w.fail('chunk-device-block-' + why, img, 'read', '/v', 'EUCLEAN',
               ('read', '/v', off), pat=4096)
    # The slot grants less than the file that was given for it has
    img, devs = two()
    img.devslot(1)['blocks_lo'] = 3
    w.fail('chunk-device-past-slot', img, 'read', '/v', 'EUCLEAN',
           off=7 * 4096)
    # ... or more
    img, devs = two()
    w.fail('device-short', img, 'read', '/v', 'EUCLEAN', off=7 * 4096,
           devices=[devs[0], devs[1][:3 * 4096]])
    img, devs = two()
    w.fail('device-empty', img, 'read', '/v', 'EUCLEAN', off=4096,
           devices=[devs[0], b''])
    # Through the unified space
    img, devs = two()
    img.chunk('/v', 1)['device_id'] = 0
    img.chunk('/v', 1)['startblk_lo'] = img.blocks + 8
    w.fail('chunk-unified-past-all', img, 'read', '/v', 'EUCLEAN', off=4096)
    img, devs = two()
    img.chunk('/v', 1)['device_id'] = 0
    img.chunk('/v', 1)['startblk_lo'] = img.blocks
    img.devslot(0)['uniaddr_lo'] = 0
    img.devslot(1)['uniaddr_lo'] = img.blocks + 4
    w.fail('chunk-unified-gap', img, 'read', '/v', 'EUCLEAN', off=4096)
    # Flattened: the one device would have to hold the others too
    img = on_devices(2, flat=True)
    img.cut((img.blocks + 4) * 4096)
    w.fail('flat-second-missing', img, 'read', '/v', 'EUCLEAN', pat=4096,
           off=4096)
    img = on_devices(2, flat=True)
    img.chunk('/v', 1)['startblk_lo'] = 4
    w.fail('flat-past-device', img, 'read', '/v', 'EUCLEAN', off=4096)
    # The next block of the one device is another's
    img = on_devices(2, flat=True)
    img.chunk('/v', 2)['startblk_lo'] = 4
    w.fail('flat-into-next-device', img, 'read', '/v', 'EUCLEAN', pat=8192,
           off=8192)
    # A device without a place in the unified space is nowhere at all
    img = on_devices(2, devices=[Device('a', mapped=False),
                                 Device('b', mapped=False)])
    w.fail('flat-unmapped', img, 'read', '/v', 'EUCLEAN', devices=[])
    # ... not even its first block, where the superblock is
    img = on_devices(1, size=4096, devices=[Device('a', mapped=False)])
    w.fail('flat-unmapped-first', img, 'read', '/v', 'EUCLEAN', devices=[])
    img = on_devices(2, flat=True)
    img.chunk('/v', 1)['device_id'] = 3
    w.fail('flat-device-3-of-2', img, 'read', '/v', 'EUCLEAN', off=4096)


# ----------------------------------------------------------------- inodes

def inodes(w):
    def one(extended, **kw):
        node = File(pattern('/v', 100), extended=extended, **kw)
        return base({'/v': node})

    def stat(why, errno, fields, extended=False):
        img = one(extended)
        for name, value in fields.items():
            img.inode('/v')[name] = value
        w.fail('inode-' + why, img, 'stat', '/v', errno)

    for bit in range(5, 16):
        stat(f'format-bit{bit:02}', 'EOPNOTSUPP',
             {'i_format': INLINE << 1 | 1 << bit})
    for bit in (5, 15):
        stat(f'format-bit{bit:02}-extended', 'EOPNOTSUPP',
             {'i_format': 1 | INLINE << 1 | 1 << bit}, True)
    for layout in (5, 6, 7):
        stat(f'layout-{layout}', 'EOPNOTSUPP', {'i_format': layout << 1})
        stat(f'layout-{layout}-extended', 'EOPNOTSUPP',
             {'i_format': layout << 1 | 1}, True)
    good = {k >> 12 for k in e.FTYPE}
    for kind in range(16):
        if kind not in good:
            stat(f'type-{kind:02}', 'EUCLEAN', {'i_mode': kind << 12 | 0o644})
    stat('type-00-extended', 'EUCLEAN', {'i_mode': 0o644}, True)
    for why, size in (('2e63', 1 << 63), ('minus1', U64 - 1),
                      ('2e63-1', (1 << 63) + 1)):
        stat('size-' + why, 'EUCLEAN', {'i_size': size}, True)
    for why, raw, errno in (('ones', b'\xff', 'EOPNOTSUPP'),
                            ('zero', b'\0', 'EUCLEAN')):
        img = one(True)
        img.inode('/v').patch(0, raw * 64)
        w.fail('inode-' + why, img, 'stat', '/v', errno)

    for bit in range(7, 16):
        img = base({'/v': File(pattern('/v', 4096), layout=CHUNK)})
        img.inode('/v')['i_u'] |= 1 << bit
        w.fail(f'chunk-format-bit{bit:02}', img, 'stat', '/v', 'EOPNOTSUPP')

    # Numbers of inodes that are none. Reading the names is no fault
    # either, and who loses the high bits finds the inode that was meant
    for why, nid in (('next', None), ('2e32', 1 << 32), ('2e58', 1 << 58),
                     ('2e59', 1 << 59), ('2e62', 1 << 62),
                     ('max', (1 << 63) - 1), ('bit63', 1 << 63),
                     ('ones', U64 - 1)):
        img = base({'/v': File(b'v')})
        if nid is None:
            nid = (len(img.buf) - img.pos['meta']) // 32
        else:
            nid |= img.node('/v').nid
        img.dirent('/', 'v')['nid'] = nid
        w.fail('nid-' + why, img, 'stat', '/v', 'EUCLEAN')
    img = base({'/v': File(b'v')})
    img.dirent('/', 'v')['nid'] = 0
    w.fail('nid-0-empty', img, 'stat', '/v', 'EUCLEAN')
    # The first half of an extended inode is all that the image has
    img = base({'/v': File(b'v')}, spare=1)
    img.dirent('/', 'v')['nid'] = (len(img.buf) - img.pos['meta']) // 32 - 1
    img.patch(len(img.buf) - 32, struct.pack('<HHH', 1, 0, 0o100644))
    w.fail('inode-extended-at-end', img, 'stat', '/v', 'EUCLEAN')
    # A directory that is its own ancestor: the VFS finds it out, with an
    # errno of its own
    img = base({'/v': Dir(), '/v/w': Dir(), '/v/w/loop': Dir()})
    img.dirent('/v/w', 'loop')['nid'] = img.node('/v').nid
    w.fail('dir-loop', img, 'lookup', '/v/w/loop', 'ELOOP')


def encoded_unknown(size, layout=FULL, kind=e.S_IFREG):
    """Header of an encoded inode whose algorithm no reader knows."""
    return Encoded(size, struct.pack('<IHBB', 0, 0, 0xFF, 0) + bytes(64),
                   kind=kind, layout=layout)


LZ4_LETTERS = b'\x1fa\1\0' + b'\xff' * 32 + b'\7' + b'\x50aaaaa'


def encoded_lz4(stream=LZ4_LETTERS, plain=b'a' * 8192, padded=True):
    """8192 times one letter, in one block, with full indexes."""

    def raw(block):
        return struct.pack('<8x8xHHIHHHH', 1, 0, block, 2, 0, 1, 1)

    return Encoded(8192, raw, blocks=1, plain=plain,
                   stored=stream.rjust(4096, b'\0') if padded else
                   stream.ljust(4096, b'\0'))


# More records than the pages around any of them hold: faults.c has its own use of
# this, and knows these numbers
RECORDS, SAME_AT, SAME_LEN = 32768, 16384, 1 << 20


def claims_more():
    """
    Holes, and in the middle an extent of one block; the record behind it begins
    where it begins, has the same stream, and says that it is longer.
    """
    half = RECORDS // 2

    def raw(block):
        at = block * 4096
        recs = [(0, 0, 0, la) for la in range(half - 1)]
        recs += [(4096 | 1 << 28, at, 0, SAME_AT)] * 2
        recs += [(0, 0, 0, SAME_AT + SAME_LEN + n) for n in range(half - 1)]
        head = struct.pack('<IHH8x', RECORDS, 1 | 2 << 1, 0)
        return head + b''.join(struct.pack('<IIII', *r) for r in recs)

    stream = b'\x1fa\1\0' + b'\xff' * 15 + bytes([4096 - 25 - 15 * 255]) + \
        b'\x50aaaaa'
    return Encoded(SAME_AT + SAME_LEN + half - 1, raw, blocks=1, extended=True,
                   at=128, stored=stream.rjust(4096, b'\0'))


def encoded(w):
    lz4 = {'incompat': e.INCOMPAT_LZ4_0PADDING}
    for name, layout in (('full', FULL), ('compact', COMPACT_IDX)):
        img = base({'/v': encoded_unknown(4096, layout)}, **lz4)
        w.fail(f'encoded-{name}-algorithm-15', img, 'read', '/v', 'EOPNOTSUPP')
    img = base({'/v': encoded_unknown(60, kind=e.S_IFDIR)}, **lz4)
    w.fail('encoded-dir', img, 'readdir', '/v', 'EOPNOTSUPP',
           ('lookup', '/v/x'))
    img = base({'/v': encoded_unknown(60, kind=e.S_IFLNK)}, **lz4)
    w.fail('encoded-symlink', img, 'readlink', '/v', 'EOPNOTSUPP')
    # An image that says it has no algorithm has an inode that needs one
    img = base({'/v': encoded_unknown(4096)})
    img.sb['feature_incompat'] |= e.INCOMPAT_COMPR_CFGS
    img.sb['available_compr_algs'] = 0
    w.fail('encoded-no-algorithm', img, 'stat', '/v', 'EUCLEAN')
    # Much is stored for little, as deduplication may do it: in several goes
    stored = pattern('stored', (1 << 20) + 64 * 4096)

    def overlapping(block):
        recs = [(1 << 20, block * 4096 + n * 4096, 0, n * 4096) for n in range(64)]
        return struct.pack('<IHH8x', 64, 1 | 2 << 1, 0) + \
            b''.join(struct.pack('<IIII', *r) for r in recs)

    w.good('encoded-overlapping', base({'/v': Encoded(
        64 * 4096, overlapping, blocks=1, extended=True, at=128, stored=stored,
        plain=stored[:64 * 4096])}, bit48=True, **lz4))
    # A good index of a stream that is none, or that has another length
    for why, stream in (
            ('garbage', b'\xff' * 300), ('zeros', b''),
            ('cut', b'\x1fa\1\0' + b'\xff' * 20),
            ('short', b'\x1fa\1\0' + b'\xff' * 32 + b'\6' + b'\x50aaaaa'),
            ('long', b'\x1fa\1\0' + b'\xff' * 32 + b'\x08' + b'\x50aaaaa'),
            ('match-before-start', b'\x1fa\2\0' + b'\xff' * 32 + b'\7' +
             b'\x50aaaaa')):
        img = base({'/v': encoded_lz4(stream)}, **lz4)
        w.fail(f'encoded-lz4-{why}', img, 'read', '/v', 'EUCLEAN',
               ('read', '/v', {'off': 4096}))
    # Claimed by two extents, by the second for less than it holds: what was decoded
    # for the first must not hide that
    img = base({'/v': Encoded(12288, lambda block: struct.pack(
        '<8x8xHHIHHHHHHI', 1, 0, block, 2, 0, 1, 1, 1, 0, block), blocks=1,
        plain=b'a' * 12288, stored=LZ4_LETTERS.rjust(4096, b'\0'))}, **lz4)
    w.fail('encoded-lz4-claimed-twice', img, 'read', '/v', 'EUCLEAN',
           ('read', '/v', {'off': 8192}))
    img = base({'/v': claims_more()}, bit48=True, **lz4)
    w.fail('encoded-lz4-claims-more', img, 'read', '/v', 'EUCLEAN',
           off=SAME_AT + 4096)
    img = base({'/v': encoded_lz4()}, **lz4)
    if ENCODED_READABLE:
        w.good('encoded-lz4', img)
        # A match with itself has nothing to say, and must not say what the
        # buffer held before, which are the other file's bytes
        stream = b'\xff\1' + b'b' * 16 + bytes(2) + b'\xff' * 31 + \
            bytes([8171 - 31 * 255 - 19]) + b'\x50ccccc'
        plain = b'b' * 16 + bytes(8171) + b'ccccc'
        for name, more in (('padded', lz4), ('legacy', {})):
            padded = name == 'padded'
            w.good('lz4-match-itself-' + name, base({
                '/secret': encoded_lz4(padded=padded),
                '/v': encoded_lz4(stream, plain, padded)}, **more))
    else:
        w.fail('encoded-lz4', img, 'read', '/v', 'EOPNOTSUPP',
               ('read', '/v', {'off': 4096}))


# ------------------------------------------------------------------- data

def flat(w):
    def plain(size=8192, extended=None, bs=4096, **kw):
        return base({'/v': File(pattern('/v', size), layout=PLAIN,
                                extended=extended, **kw)}, bs=bs)

    for why, fields, extended in (
            ('2e31', {'i_u': 1 << 31}, False),
            ('wraps', {'i_u': None}, False),
            ('almost-null', {'i_u': 0xFFFFFFFE}, False),
            # A hole has all 48 bits set where 48 of them count
            ('null32-extended', {'i_u': 0xFFFFFFFF}, True),
            ('hi-1', {'i_nb': 1}, True),
            ('hi-max', {'i_nb': 0xFFFF}, True),
            ('almost-null48', {'i_nb': 0xFFFF, 'i_u': 0xFFFFFFFE}, True)):
        img = plain(extended=extended)
        for name, value in fields.items():
            if value is None:
                value = img.inode('/v')[name] + (1 << 20)
            img.inode('/v')[name] = value
        w.fail('startblk-' + why, img, 'read', '/v', 'EUCLEAN')
    for bs in (512, 4096):
        img = plain(bs=bs, size=2 * bs)
        img.inode('/v')['i_u'] = len(img.buf) // bs
        w.fail(f'startblk-end-{bs}', img, 'read', '/v', 'EUCLEAN')
    img = plain(nlink1=True)
    img.inode('/v')['i_nb'] = 0x8000
    w.fail('startblk-hi-compact', img, 'read', '/v', 'EUCLEAN')
    for why, size in (('4g', (1 << 32) - 1), ('2e40', 1 << 40),
                      ('2e62', 1 << 62)):
        img = plain(extended=True)
        img.inode('/v')['i_size'] = size
        w.fail(f'size-{why}-plain', img, 'read', '/v', 'EUCLEAN',
               ('read', '/v', {'off': (size - 1) // 4096 * 4096}), pat=8192)
    img = plain(extended=True)
    img.inode('/v').patch(0, struct.pack('<H', 1 | INLINE << 1))
    img.inode('/v')['i_size'] = (1 << 62) + 5
    img.inode('/v')['i_u'] = 0x7FFFFFFF
    w.fail('size-2e62-inline', img, 'read', '/v', 'EUCLEAN')

    def tail(kind, bs, **kw):
        """Room for 100 bytes behind the inode, and one byte more wanted."""
        node = {'file': File(pattern('/v', 100), layout=INLINE, **kw),
                'symlink': Symlink('t' * 100, layout=INLINE, **kw),
                'dir': Dir(layout=INLINE, **kw)}[kind]
        img = Image(bs=bs, sections=('devt', 'prefix', 'shared', 'meta',
                                     'data'))
        img.add('/ok', File(pattern('/ok', OK_SIZE)))
        img.add('/v', node)
        img.build()
        return img

    for bs in (512, 4096):
        for kind, stage in (('file', 'read'), ('symlink', 'readlink'),
                            ('dir', 'readdir')):
            img = tail(kind, bs, at=-160)
            room = 160 - 32
            img.inode('/v')['i_size'] = room + 1
            more = [('lookup', '/v/x')] if kind == 'dir' else []
            w.fail(f'tail-crosses-{kind}-{bs}', img, stage, '/v', 'EUCLEAN',
                   *more)
        img = tail('file', bs, at=-192, extended=True)
        img.inode('/v')['i_size'] = 3 * bs + bs - 1
        img.inode('/v')['i_u'] = 0
        w.fail(f'tail-crosses-4th-{bs}', img, 'read', '/v', 'EUCLEAN',
               off=3 * bs // 4096 * 4096)
    # The xattr body moves the tail; a body without end moves it out
    img = tail('file', 4096)
    img.inode('/v')['i_xattr_icount'] = 0xFFFF
    w.fail('tail-behind-icount-max', img, 'read', '/v', 'EUCLEAN')


def chunks(w):
    def mapped(size=16384, **kw):
        return base({'/v': File(pattern('/v', size), layout=CHUNK, **kw)})

    off = {'off': 4096}
    for why, value in (('max', 0xFFFFFFFE), ('2e31', 1 << 31), ('end', None),
                       ('wraps', 1 << 20)):
        for form, kw in (('map', {}), ('index', {'index': True})):
            img = mapped(**kw)
            if why == 'wraps':
                img.chunk('/v', 1)['startblk_lo'] += value
            else:
                img.chunk('/v', 1)['startblk_lo'] = \
                    len(img.buf) // 4096 if value is None else value
            w.fail(f'chunk-{form}-{why}', img, 'read', '/v', 'EUCLEAN',
                   ('read', '/v', off), pat=4096)
    # Only the last block of the chunk lies outside
    img = mapped(chunk=2)
    img.chunk('/v')['startblk_lo'] = len(img.buf) // 4096 - 3
    w.fail('chunk-last-block', img, 'read', '/v', 'EUCLEAN',
           ('read', '/v', {'off': 12288}))
    for why, hi, lo in (('hi-1', 1, None), ('hi-max', 0xFFFF, None),
                        ('null32', 0, 0xFFFFFFFF),
                        ('almost-null', 0xFFFF, 0xFFFFFFFE),
                        ('null-lo-only', 0x7FFF, 0xFFFFFFFF)):
        img = mapped(index=True, wide=True)
        img.chunk('/v', 1)['startblk_hi'] = hi
        if lo is not None:
            img.chunk('/v', 1)['startblk_lo'] = lo
        w.fail('chunk48-' + why, img, 'read', '/v', 'EUCLEAN',
               ('read', '/v', off), pat=4096)
    # A size that asks for more of the array than the image has
    for why, size, bits in (('2e40', 1 << 40, 0), ('2e62', 1 << 62, 0),
                            ('2e62-chunk31', 1 << 62, 31)):
        for form, kw in (('map', {}), ('index', {'index': True})):
            img = mapped(extended=True, **kw)
            img.inode('/v')['i_size'] = size
            img.inode('/v')['i_u'] |= bits
            w.fail(f'chunk-{form}-size-{why}', img, 'read', '/v', 'EUCLEAN',
                   off=(size - 1) // 4096 * 4096)
    # All in one chunk: it runs out of the image
    img = mapped(extended=True)
    img.inode('/v')['i_u'] |= 31
    img.inode('/v')['i_size'] = 1 << 43
    w.fail('chunk-bits-31', img, 'read', '/v', 'EUCLEAN', off=1 << 42)
    img = mapped()
    img.inode('/v')['i_xattr_icount'] = 0xFFFF
    w.fail('chunk-map-behind-icount-max', img, 'read', '/v', 'EUCLEAN')


# ------------------------------------------------------------ directories

def big_dir(bs=512, count=60, **kw):
    img = base(build=False, bs=bs, **kw)
    img.add('/v', Dir(layout=PLAIN))
    for n in range(count):
        img.add(f'/v/entry-number-{n:03}', File(b'', layout=PLAIN))
    return img.build()


def last_name(img, block):
    return img.node('/v').blocks[block][-1].decode()


def dirs(w):
    # Entries of /d in their order: . .. a bb ccc m1 zz; names from byte 84
    def small(bs, layout):
        img = Image(bs=bs)
        img.add('/ok', File(pattern('/ok', OK_SIZE)))
        img.add('/v', Dir(layout=layout))
        for name in ('a', 'bb', 'ccc', 'm1', 'zz'):
            img.add('/v/' + name, File(name.encode()))
        return img.build()

    def both(why, img, name='m1'):
        w.fail('dir-' + why, img, 'readdir', '/v', 'EUCLEAN',
               ('lookup', '/v/' + name))

    for bs, layout, form in ((4096, INLINE, 'inline-4096'),
                             (512, PLAIN, 'plain-512')):
        size = small(bs, layout).node('/v').size
        for value in (0, 1, 5, 11, 13, 85, size, 600, bs, bs + 12, 0xFFF0,
                      0xFFFF):
            img = small(bs, layout)
            img.dirent('/v', (0, 0))['nameoff'] = value
            both(f'first-nameoff-{value}-{form}', img)
        for why, entry, value in (
                ('back', 3, 84), ('equal', 3, 87), ('into-dirents', 2, 12),
                ('0', 2, 0), ('past-size', 3, size + 1), ('block', 4, bs),
                ('max', 4, 0xFFFF), ('last-at-size', 6, size),
                ('last-past-size', 6, size + 3), ('last-block', 6, bs),
                ('last-max', 6, 0xFFFF), ('last-0', 6, 0),
                ('last-back', 6, 90)):
            img = small(bs, layout)
            img.dirent('/v', (0, entry))['nameoff'] = value
            both(f'nameoff-{why}-{form}', img)
        # Names: . .. a bb ccc m1 zz at 84 85 87 88 90 93 95
        for why, at, raw in (('slash', 91, b'/'), ('slash-only', 87, b'/'),
                             ('slash-last', 96, b'/'), ('nul', 91, b'\0'),
                             ('nul-first', 90, b'\0'),
                             ('last-nul-first', 95, b'\0')):
            img = small(bs, layout)
            img.dirblock('/v').patch(at, raw)
            both(f'name-{why}-{form}', img)
        for size in (1, 11, 12, 83, 84, 94):
            img = small(bs, layout)
            img.inode('/v')['i_size'] = size
            both(f'size-{size}-{form}', img)

    for bs in (512, 4096):
        for last in (False, True):
            img = base(build=False, bs=bs)
            long = 'n' * 200
            img.add('/v', Dir(layout=PLAIN))
            for name in ('a' + long, 'z'):
                img.add('/v/' + name, File(b''))
            img.build()
            # . .. a... z: the name before or the last one becomes too long
            if last:
                img.dirblock('/v').patch(img.node('/v').size - 1, b'z' * 256)
                img.inode('/v')['i_size'] = img.node('/v').size + 255
            else:
                img.dirent('/v', 'z')['nameoff'] += 100
                img.dirblock('/v').patch(img.node('/v').size - 1, b'y' * 101)
                img.inode('/v')['i_size'] = img.node('/v').size + 100
            both(f'name-256-{"last" if last else "middle"}-{bs}', img, 'z')

    # The first block is good, the second is not
    for why, change in (
            ('zero', lambda i: i.dirblock('/v', 1).patch(0, bytes(512))),
            ('ones', lambda i: i.dirblock('/v', 1).patch(0, b'\xff' * 512)),
            ('nameoff', lambda i: i.dirent('/v', (1, 2)).__setitem__(
                'nameoff', 0xFFFF))):
        img = big_dir()
        change(img)
        both('block2-' + why, img, last_name(img, 1))
    for why, start in (('outside', 1 << 31), ('almost-null', 0xFFFFFFFE)):
        img = big_dir()
        img.inode('/v')['i_u'] = start
        both('start-' + why, img, 'entry-number-030')
    # Sizes beyond the device; halving probes outside at once
    for why, size in (('2e40', 1 << 40), ('max', (1 << 63) - 1)):
        img = base(build=False, bs=512)
        img.add('/v', Dir(layout=PLAIN, extended=True))
        for n in range(60):
            img.add(f'/v/entry-number-{n:03}', File(b'', layout=PLAIN))
        img.build()
        img.inode('/v')['i_size'] = size
        both(f'size-{why}-512', img, 'zzz')
    img = big_dir()
    img.inode('/v')['i_size'] = img.node('/v').size // 512 * 512 + 5
    w.fail('dir-last-block-5', img, 'readdir', '/v', 'EUCLEAN',
           ('lookup', '/v/zzz'))
    for why, start in (('2e31', 1 << 31), ('max', 0xFFFFFFFE)):
        img = base(build=False)
        img.add('/v', Dir(layout=CHUNK))
        img.add('/v/x', File(b''))
        img.build()
        img.chunk('/v')['startblk_lo'] = start
        both(f'chunk-{why}', img, 'x')


# ----------------------------------------------------------------- xattrs

def xattrs(w):
    def make(bs=4096, **kw):
        attrs = {'user.a': b'one', 'user.b': b'two' * 9, 'user.s': b'shared'}
        return base({'/v': File(pattern('/v', 4096), xattrs=attrs,
                                shared=['user.s'], extended=True)}, bs=bs,
                    **kw)

    def both(why, img, name='user.b', errno='EUCLEAN'):
        w.fail('xattr-' + why, img, 'getxattr', '/v', errno,
               ('listxattr', '/v', {'xattr': None}), xattr=name)

    words = (len(make().node('/v').body) - 12) // 4
    for why, count in (('255', 255), ('one-more', words + 1)):
        img = make(spare=1)
        img.xattr_body('/v')['h_shared_count'] = count
        # Who goes on behind the ids, or behind the body, finds something
        img.xattr_body('/v').patch(12 + 4 * count, b'\1\1\1\0bx')
        both('shared-count-' + why, img)
    # The body ends where the last entry does. An entry may grow up to there
    for why, fields in (('value-max', {'e_value_size': 0xFFFF}),
                        ('name-255', {'e_name_len': 255}),
                        ('value-one-more', {'e_value_size': 28 + 3}),
                        ('all', {'e_name_len': 255, 'e_value_size': 0xFFFF})):
        img = make()
        for name, value in fields.items():
            img.xattr_entry('/v', 1)[name] = value
        both('last-' + why, img)
    img = make()
    img.xattr_entry('/v', 0)['e_value_size'] = 0xFFFF
    both('first-value-max', img)
    img = make()
    img.xattr_entry('/v', 0)['e_name_len'] = 255
    both('first-name-255', img)
    img = make()
    img.inode('/v')['i_xattr_icount'] -= 1
    both('body-one-less', img)
    # The shared entry has id 0 and is in block 1
    for why, number in (('max', 0xFFFFFFFF), ('wraps', 1 << 30),
                        ('2e20', 1 << 20)):
        img = make()
        img.shared_id('/v')['v'] = number
        both('shared-id-' + why, img, 'user.s')
    for why, value in (('max', 0xFFFFFFFF), ('2e31', 1 << 31), ('end', None),
                       ('wraps', 1 << 20 | 1)):
        img = make()
        img.sb['xattr_blkaddr'] = img.blocks if value is None else value
        both('blkaddr-' + why, img, 'user.s')
    # The header of the shared entry is the last word of the image
    img = make()
    img.patch(len(img.buf) - 4, struct.pack('<BBH', 1, 1, 6))
    img.shared_id('/v')['v'] = \
        (len(img.buf) - 4 - img.pos['shared']) // 4
    both('shared-past-end', img, 'user.s')
    img = make()
    img.inode('/v')['i_xattr_icount'] = 0xFFFF
    img.xattr_body('/v')['h_shared_count'] = 0
    img.xattr_body('/v').patch(12, struct.pack('<BBH', 1, 1, 0xFFFF))
    both('icount-max', img)
    # An ACL is part of the image too. It has a version of its own
    acl = struct.pack('<IHHIHHIHHI', 2, 1, 6, 0xFFFFFFFF, 4, 4, 0xFFFFFFFF,
                      32, 4, 0xFFFFFFFF)
    for why, errno, value in (
            ('version-1', 'EOPNOTSUPP', b'\1' + acl[1:]),
            ('cut', 'EUCLEAN', acl[:-1]), ('header-cut', 'EUCLEAN', acl[:3]),
            ('bad-tag', 'EUCLEAN', acl[:4] + b'\x77' + acl[5:])):
        name = 'system.posix_acl_access'
        img = base({'/v': File(pattern('/v', 4096), xattrs={name: value})})
        w.fail('acl-' + why, img, 'getxattr', '/v', errno, xattr=name)
    for extended in (False, True):
        img = base({'/v': File(pattern('/v', 4096), extended=extended)})
        img.inode('/v')['i_xattr_icount'] = 1
        both('icount-1' + ('-extended' if extended else ''), img,
             errno='EOPNOTSUPP')


# --------------------------------------------------------------- symlinks

def symlinks(w):
    def make(target='target-of-it', bs=4096, **kw):
        return base({'/v': Symlink(target, **kw)}, bs=bs)

    def fail(why, img):
        w.fail('symlink-' + why, img, 'readlink', '/v', 'EUCLEAN')

    for extended in (False, True):
        form = '-extended' if extended else ''
        for why, size in (('0', 0), ('4096', 4096), ('5000', 5000),
                          ('2e31', 1 << 31)):
            img = make(extended=extended)
            img.inode('/v')['i_size'] = size
            fail(f'size-{why}{form}', img)
    img = make(extended=True)
    img.inode('/v')['i_size'] = (1 << 63) - 1
    fail('size-max', img)
    # One byte longer than any may be, and all of it there
    for bs in (512, 4096):
        for size in (4096, 5000):
            fail(f'length-{size}-plain-{bs}',
                 make('t' * size, bs, layout=PLAIN))
    fail('length-4096-chunk', make('t' * 4096, layout=CHUNK))
    for bs, layout, form in ((4096, INLINE, 'inline'), (4096, PLAIN, 'plain'),
                             (4096, CHUNK, 'chunk'), (512, PLAIN, 'two')):
        target = 't' * (700 if form == 'two' else 60)
        for why, at in (('first', 0), ('middle', 30),
                        ('last', len(target) - 1)):
            raw = bytearray(target.encode())
            raw[at] = 0
            fail(f'nul-{why}-{form}', make(bytes(raw), bs, layout=layout))
    img = make('t' * 600, 512, layout=PLAIN)
    img.inode('/v')['i_u'] = 1 << 31
    fail('start-outside', img)
    img = make('t' * 60, layout=CHUNK)
    img.chunk('/v')['startblk_lo'] = 1 << 31
    fail('chunk-outside', img)


# ---------------------------------------------------------- the valid ones

def rich(bs, **kw):
    """Something of everything, in every layout."""
    img = Image(bs=bs, **kw)
    acl = struct.pack('<I', 2) + b''.join(
        struct.pack('<HHI', tag, perm, who) for tag, perm, who in
        ((1, 6, 0xFFFFFFFF), (2, 4, 1000), (4, 4, 0xFFFFFFFF),
         (16, 4, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)))
    img.add('/ok', File(pattern('/ok', OK_SIZE)))
    for n, size in enumerate((0, 1, bs - 1, bs, bs + 1, 3 * bs + 7)):
        path = f'/size{n}'
        img.add(path, File(pattern(path, size), uid=n, gid=70000 * (n % 2)))
        path = f'/plain{n}'
        img.add(path, File(pattern(path, size), layout=PLAIN,
                           extended=bool(n % 2)))
    for kw_name, kw in (('map', {}), ('index', {'index': True}),
                        ('wide', {'index': True, 'wide': True})):
        for bits in (0, 2):
            path = f'/chunk-{kw_name}-{bits}'
            data = bytearray(pattern(path, 9 * bs + 5))
            size = bs << bits
            data[size:2 * size] = bytes(size)
            img.add(path, File(data, layout=CHUNK, chunk=bits, device=lambda c:
                               HOLE if c == 1 else 0, **kw))
    img.add('/null', File(bytes(3 * bs + 5), null=True, layout=PLAIN))
    img.add('/null-extended', File(bytes(3 * bs + 5), null=True, layout=PLAIN,
                                   extended=True))
    for n in (1, 31, 60, bs - 200, 4095):
        img.add(f'/link{n}', Symlink('x' * n))
    img.add('/linkchunk', Symlink('y' * 99, layout=CHUNK))
    img.add('/fifo', Special(e.S_IFIFO, perm=0o600))
    img.add('/sock', Special(e.S_IFSOCK, perm=0o700))
    img.add('/null0', Special(e.S_IFCHR, 0, 0))
    img.add('/chr', Special(e.S_IFCHR, 10, 229))
    img.add('/blk', Special(e.S_IFBLK, 259, 70000, extended=True))
    img.add('/suid', File(b'x' * 10, perm=0o6755, uid=1000, gid=1000))
    img.add('/hard', File(pattern('/hard', 77)))
    img.add('/hard2', img.node('/hard'))
    img.add('/d', Dir(perm=0o1777, uid=1000))
    img.add('/d/hard3', img.node('/hard'))
    img.add('/d/e', Dir())
    img.add('/d/e/f', Dir(extended=True))
    img.add('/d/e/f/g', File(b'deep'))
    img.add('/big', Dir(xattrs={'user.d': b'dir'}))
    for n in range(3 * bs // 40 + 10):
        img.add(f'/big/{"entry" * (n % 7 + 1)}-{n:04}', File(
            b'%d' % n, xattrs={'user.n': b'%d' % n} if n % 5 == 0 else None))
    img.add('/bigchunk', Dir(layout=CHUNK))
    for n in range(2 * bs // 30):
        img.add(f'/bigchunk/name{n:05}', img.node('/hard'))
    img.add('/names', Dir())
    for name in (' ', '!', '+', '-', '..a', '...', '.a', '~', '\x7f', '\x01',
                 '\u00e9', '\U0001f600', 'n' * 255, 'n' * 254, 'N' * 200):
        img.add('/names/' + name, File(name.encode()))
    img.add('/names/\udcff\udcfe', File(b'not UTF-8'))
    img.add('/mtime-ns', File(b'1', mtime=(1600000000, 123456789)))
    img.add('/mtime-old', File(b'2', mtime=(-86400 * 365 * 60, 1)))
    img.add('/mtime-far', File(b'3', mtime=(1 << 33, 999999999)))
    img.add('/x-inline', File(b'x', xattrs={
        'user.a': b'1', 'user.empty': b'', 'trusted.t': b'\0\1\2',
        'security.s': b'label\0', 'user.' + 'l' * 250: b'long name'}))
    img.add('/x-acl', File(b'x', perm=0o640, xattrs={
        'system.posix_acl_access': acl}))
    img.add('/x-dacl', Dir(xattrs={'system.posix_acl_default': acl}))
    img.add('/x-big', File(b'x', xattrs={
        'user.big': pattern('user.big', 3 * bs + 3), 'user.after': b'2'},
        extended=True))
    for n in range(3):
        img.add(f'/x-shared{n}', File(b'x', xattrs={
            'user.common': b'same', 'user.own': b'%d' % n, 'trusted.big':
            pattern('trusted.big', bs + 10)},
            shared=['user.common', 'trusted.big']))
    img.add('/x-filler', File(b'x', xattrs={'user.a': b'1'}, filler=40))
    img.add('/x-only-filler', Dir(filler=24))
    img.add('/x-hidden', File(b'x', xattrs={'#hid.den': b'1', 'user.b': b'2'}))
    return img


def in_tree(w):
    """
    What the module itself reads through the page cache, which also is a file
    of the tree: another file's data, or its inode, is in it. dax.c maps both.
    """
    for what, layout in (('plain', PLAIN), ('chunk', CHUNK)):
        text = pattern('/p', 20480)
        img = base({'/p': File(text, layout=layout),
                    '/v': Encoded(9000, struct.pack('<QQ', 1 << 63 | 17, 0),
                                  plain=text[17:9017])},
                   incompat=e.INCOMPAT_LZ4_0PADDING | e.INCOMPAT_FRAGMENTS)
        img.sb['packed_nid'] = img.node('/p').nid
        w.good('packed-in-tree-' + what, img)

        text = pattern('/b', 20480)
        img = base({'/b': File(text, layout=layout),
                    '/v': File(pattern('/v', 100), layout=INLINE)},
                   incompat=e.INCOMPAT_METABOX | e.INCOMPAT_48BIT, extslots=1)
        v, b = img.node('/v'), img.node('/b')
        at = img.content_pos('/b', 0) if layout == PLAIN else \
            img.chunk('/b')['startblk_lo'] * img.bs
        inner = bytes(img.buf[v.pos:v.end + 100])
        img.patch(at, inner)
        b.data = inner + text[len(inner):]
        img.sb['metabox_nid'] = b.nid
        img.dirent('/', 'v')['nid'] = 1 << 63
        # Where users see it
        v.nid = 1 << 31
        w.good('box-in-tree-' + what, img)


def good(w):
    in_tree(w)
    for bs in (512, 1024, 2048, 4096):
        w.good(f'rich-{bs}', rich(bs, epoch=1700000000, fixed_nsec=5).build())
    for bs in (512, 4096):
        img = rich(bs, bit48=True, epoch=1500000000,
                   root=Dir(dot=False))
        img.add('/nodot', Dir(dot=False))
        for n in range(bs // 16):
            img.add(f'/nodot/n{n:04}', File(b'%d' % n))
        img.add('/nodot/d', Dir(dot=False, extended=True))
        img.add('/one', File(pattern('/one', 3 * bs + 9), nlink1=True,
                             mtime=(1700000000, 0)))
        img.add('/one-hole', File(bytes(2 * bs), nlink1=True, null=True))
        w.good(f'48bit-{bs}', img.build())
    img = base(bit48=True)
    img.sb['rootnid_8b'] = img.sb['rootnid_2b']
    img.sb['blocks_hi'] = 0
    w.good('root-nid-8b', img)
    w.good('root-nid-0', base(first_slot=0))
    w.good('no-checksum', base(checksum=False))
    w.good('extslots-1', base(extslots=1))
    w.good('extslots-184', base(extslots=184))
    w.good('label-16', base(label=b'sixteen bytes ok',
                            uuid=b'0123456789abcdef'))
    img = base(compat=0xFFFFFFFF & ~0x3F)
    w.good('unknown-compat', img)
    img = base()
    img.sb['inos'], img.sb['blocks_lo'] = U64 - 1, 0xFFFFFFFF
    w.good('odd-statfs', img)
    # Reserved bytes have no meaning yet; a reader must not mind them
    img = base({'/v': File(b'v'), '/x': File(b'x', extended=True)})
    img.patch(e.SB_OFFSET + 106, b'\xff\xff')
    img.patch(e.SB_OFFSET + 120, b'\xff' * 8)
    img.inode('/v')['i_reserved'] = 0xFFFFFFFF
    img.inode('/x').patch(48, b'\xff' * 16)
    img.dirent('/', 'v')['reserved'] = 0xFF
    w.good('reserved-ones', img)
    w.good('configs', base(incompat=e.INCOMPAT_LZ4_0PADDING, configs={
        0: struct.pack('<HH10x', 65535, 16),
        1: struct.pack('<IH8x', 1 << 16, 0), 2: struct.pack('<B5x', 15),
        3: struct.pack('<BB14x', 0, 5)}))

    def spread(path, count, extra=None, **kw):
        nodes = {path: File(pattern(path, 40000), layout=CHUNK, index=True,
                            device=lambda c: c % (count + 1))}
        nodes.update(extra or {})
        return base(nodes, devices=[Device(f'd{n}') for n in range(count)],
                    **kw)

    w.good('devices-1', spread('/v', 1))
    w.good('devices-3-512', spread('/v', 3, bs=512))
    w.good('devices-3-48bit', spread('/v', 3, bit48=True))
    w.good('flat-2', spread('/v', 2, flat=True))
    w.good('flat-2-512', spread('/v', 2, flat=True, bs=512))
    w.good('devices-unmapped', base(
        {'/v': File(pattern('/v', 40000), layout=CHUNK, index=True,
                    device=lambda c: 1 + c % 2)},
        devices=[Device('a', mapped=False), Device('b', mapped=False)]))
    # Bits of a device id above the mask are somebody else's
    img = spread('/v', 2)
    for n in range(10):
        img.chunk('/v', n)['device_id'] |= 0xFFFC
    w.good('device-id-mask', img)
    img = base({'/v': File(pattern('/v', 9000), layout=CHUNK, index=True)})
    for n in range(3):
        img.chunk('/v', n)['device_id'] = 0xFFFF
    w.good('device-id-no-table', img)
    w.good('device-table-empty', base(incompat=e.INCOMPAT_DEVICE_TABLE))
    # Data of the plain layout on a second device, by the unified space
    img = spread('/v', 2, {'/u': File(pattern('/u', 8192), layout=PLAIN)})
    img.devices[1].buf += pattern('/u', 8192)
    img.inode('/u')['i_u'] = img.devslot(1)['uniaddr_lo'] + \
        img.devslot(1)['blocks_lo']
    img.devslot(1)['blocks_lo'] += 2
    w.good('unified-plain', img)

    names = [(1, 'one.'), (1, 'one.two.'), (4, 'overlay.'),
             (0, 'erofs.fingerprint.v1'), (6, 'sel'), (1, 'i' * 250)]
    attrs = {'user.one.a': b'1', 'user.one.two.b': b'2', 'user.c': b'3',
             'trusted.overlay.opaque': b'y', 'security.selinux': b'label',
             'user.' + 'i' * 250: b'whole name is a prefix',
             'user.one.': b'suffix is empty'}
    nodes = {'/v': File(b'v', xattrs=attrs),
             '/s': File(b's', xattrs=attrs, shared=list(attrs))}

    def nodes_again():
        return {p: File(n.data, xattrs=n.xattrs, shared=n.shared)
                for p, n in nodes.items()}

    w.good('prefixes', base(nodes_again(), prefixes=names))
    w.good('prefixes-plain-bit', base(nodes_again(), prefixes=names,
                                      compat=e.COMPAT_PLAIN_XATTR_PFX))
    w.good('prefixes-no-filter', base(nodes_again(), prefixes=names,
                                      name_filter=False))
    for where, compat in ((True, 0), (False, e.COMPAT_PLAIN_XATTR_PFX)):
        img = base(nodes_again(), build=False, prefixes=names, compat=compat,
                   prefix_in_packed=where)
        img.add_packed(File(pattern('/packed', 8191)))
        w.good('prefixes-' + ('in' if where else 'beside') + '-packed',
               img.build())
    # In a metabox, whose first half is no stream: who mounts it reads the second
    # one, and what a worker finds meanwhile is not for the log of the mount
    table = base(nodes_again(), prefixes=names).prefix_table()[0]

    def half_bad(block):
        recs = [struct.pack('<HHI', 1, 0, block)]
        recs += [struct.pack('<HHHH', 2, 0, n, 8 - n) for n in range(1, 8)]
        recs.append(struct.pack('<HHI', 0, 0, block + 1))
        return bytes(16) + b''.join(recs)

    img = base(nodes_again(), build=False, prefixes=names, extslots=1, bit48=True,
               incompat=e.INCOMPAT_METABOX | e.INCOMPAT_LZ4_0PADDING)
    img.add_hidden('box', Encoded(
        9 * 4096, half_bad, blocks=2,
        stored=(b'\xff' * 300).rjust(4096, b'\0') + table.ljust(4096, b'\0')))
    img.build()
    img.sb['metabox_nid'] = img.node('#box').nid
    img.sb['xattr_prefix_start'] = 8 * 4096 // 4
    w.good('prefixes-behind-damage', img, log='late')
    # The bit is also that of deduplication, which needs no packed inode
    w.good('prefixes-no-packed', base(nodes_again(), prefixes=names,
                                      incompat=e.INCOMPAT_FRAGMENTS))
    # The count alone says that there are any
    img = base(nodes_again(), prefixes=names)
    img.sb['feature_incompat'] &= ~e.INCOMPAT_XATTR_PREFIXES
    w.good('prefixes-no-bit', img)
    # What a NUL cuts off would be listed as a name that is not there
    w.good('xattr-name-nul', base(
        {'/v': File(b'v', xattrs={'user.nu\0l': b'1', 'user.in\0fix.a': b'2',
                                  'user.nu': b'3', 'user.\0': b'4',
                                  'user.end\0': b'5'})},
        prefixes=[(1, 'in\0fix.')]))
    img = base(nodes_again(), compat=e.COMPAT_ISHARE_XATTRS,
               prefixes=[(0, 'erofs.fingerprint.v1')])
    w.good('ishare', img)
    img = base({'/v': File(b'v', xattrs={'user.a': b'1'})})
    img.xattr_body('/v')['h_name_filter'] = 0xFFFFFFFF
    img.sb['xattr_filter_reserved'] = 1
    w.good('filter-not-for-us', img)
    # A shared area that nobody uses may be anywhere
    img = base({'/v': File(b'v', xattrs={'user.a': b'1'})})
    img.sb['xattr_blkaddr'] = 0xFFFFFFFF
    w.good('xattr-blkaddr-unused', img)

    for bs in (512, 4096):
        img = base({
            '/half': File(pattern('/half', bs), extended=True, at=-32),
            '/half-x': File(b'h', extended=True, at=-32,
                            xattrs={'user.a': b'1'}),
            '/x-split': File(b'', at=-32, xattrs={'user.a': b'1'}),
            '/tail-next': File(b'tail', at=-32, layout=INLINE),
            '/tail-block': File(pattern('/tail-block', 2 * bs), at=-32,
                                layout=INLINE),
            '/map-next': File(pattern('/map-next', 3 * bs), at=-32,
                              layout=CHUNK),
            '/z-last': File(b'', at=-32, last=True, layout=PLAIN)},
            sections=META_LAST, bs=bs)
        w.good(f'borders-{bs}', img)
    img = base({'/v': File(pattern('/v', 9000), layout=CHUNK, chunk=31)})
    w.good('chunk-bits-31', img)
    img = base({'/v': File(b'v'), '/w': File(b'w'), '/x': File(b'x')},
               build=False)
    img.node('/v').ftype, img.node('/w').ftype = 0, 200
    img.node('/x').ftype = 2
    w.good('dirent-types', img.build())
    img = base({'/v': File(b'v', nlink=0, extended=True), '/w': Dir(nlink=1)})
    w.good('nlink-odd', img)
    w.good('dir-empty', base({'/v': Dir(empty=True, layout=PLAIN)}))
    # The last block is there only as far as the file needs it
    img = base({'/v': File(pattern('/v', 4096 + 512), layout=PLAIN)})
    img.cut(img.content_pos('/v', 4096) + 512)
    w.good('last-block-short', img)
    raw = base()
    w.good('fsoffset-4096', raw, opts='fsoffset=4096',
           raw=bytes(4096) + raw.tobytes())
    raw = base(bs=512)
    w.good('fsoffset-512', raw, opts='fsoffset=1536',
           raw=b'\xff' * 1536 + raw.tobytes())


def main():
    if len(sys.argv) != 2:
        sys.exit('usage: should_fail.py OUTDIR')
    w = Writer(sys.argv[1])
    for part in (good, foreign, cut, superblock, prefixes, configs, devices,
                 inodes, encoded, flat, chunks, dirs, xattrs, symlinks):
        part(w)
    w.finish()
    bad = sum(name.startswith('should-fail-') for name in w.images)
    print(f'{bad} should-fail images, {len(w.images) - bad} good ones, '
          f'{len(w.lines)} checks, {sum(w.images.values()) >> 10} KiB')


if __name__ == '__main__':
    main()

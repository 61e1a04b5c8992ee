#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
mktree-mutate.py OUTDIR: small source trees for the seeds of tests/mutate.

Every byte follows from the constants below: recipes of mutants name offsets in
the images that are made of these trees, and must mean the same tomorrow.

    tree     a few files of each kind that an encoder treats in its own way
    attrs    inodes with many attributes, shared, long and odd ones
    more     files that tree has not, to be laid over it
"""
import os
import struct
import sys

WORDS = ('block cluster extent folio inode page super xattr chunk dirent index '
         'layout metadata packed record sector stream table window device').split()


class Random:
    """A generator that does not change with Python's."""

    def __init__(self, seed):
        self.x = seed * 0x9E3779B97F4A7C15 & (1 << 64) - 1 | 1

    def next(self):
        self.x ^= self.x << 13 & (1 << 64) - 1
        self.x ^= self.x >> 7
        self.x ^= self.x << 17 & (1 << 64) - 1
        return self.x >> 16

    def bytes(self, n):
        return bytes(self.next() & 0xFF for _ in range(n))

    def text(self, n):
        out = bytearray()
        while len(out) < n:
            out += WORDS[self.next() % len(WORDS)].encode()
            out += b'\n' if self.next() % 9 == 0 else b' '
        return bytes(out[:n])


def put(path, data):
    with open(path, 'wb') as f:
        f.write(data)


def tree(top):
    rnd = Random(7)
    text, noise = rnd.text(36000), rnd.bytes(7000)
    os.makedirs(top + '/dir')
    os.mkdir(top + '/many')
    put(top + '/text', text)
    put(top + '/mixed', text[:9000] + noise[:5000] + bytes(20000) +
        text[20000:27345])
    put(top + '/zeroes', bytes(40000))
    put(top + '/tiny', b'a tail\n')
    put(top + '/dir/copy', text[3000:15000])
    with open(top + '/holes', 'wb') as f:
        f.write(text[:4096])
        f.seek(20480)
        f.write(noise[:4500])
        f.truncate(60000)
    os.symlink('dir/copy', top + '/link')
    os.symlink('x' * 300 + '/' + 'y' * 200, top + '/dir/long-link')
    for n in range(130):
        os.link(top + '/tiny', f'{top}/many/a-name-of-some-length-{n:04}')
    os.mkfifo(top + '/dir/fifo')
    for name in ('text', 'dir', 'tiny', 'dir/long-link'):
        os.setxattr(f'{top}/{name}', 'trusted.note', b'of ' + name.encode(),
                    follow_symlinks=False)


def acl(*entries):
    return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e)
                                           for e in entries)


def attrs(top):
    rnd = Random(11)
    none = 0xFFFFFFFF
    access = acl((1, 6, none), (2, 4, 1000), (4, 4, none), (16, 6, none),
                 (32, 0, none))
    os.makedirs(top + '/dir')
    for n in range(5):
        path = f'{top}/file-{n}'
        put(path, rnd.text(100 + 900 * n))
        os.setxattr(path, 'user.same', b'shared by all of them')
        os.setxattr(path, 'user.prefix.long.number', b'%d' % n)
        os.setxattr(path, 'trusted.overlay.opaque', b'y')
        os.setxattr(path, 'security.selinux', b'system_u:object_r:etc_t:s0\0')
    os.setxattr(top + '/file-0', 'user.value', rnd.bytes(1500))
    os.setxattr(top + '/file-1', 'user.' + 'n' * 240, b'a long name')
    os.setxattr(top + '/file-2', 'user.none', b'')
    os.setxattr(top + '/file-3', 'system.posix_acl_access', access)
    os.setxattr(top + '/dir', 'system.posix_acl_default', access)
    os.setxattr(top + '/dir', 'user.prefix.long.dir', b'directory')
    for n in range(24):
        os.setxattr(top + '/file-4', f'user.a{n}', b'v' * n)


def more(top):
    rnd = Random(13)
    os.makedirs(top + '/dir')
    put(top + '/other', rnd.text(9000))
    put(top + '/dir/noise', rnd.bytes(5000))


def main():
    top = sys.argv[1]
    os.umask(0o022)
    for make in (tree, attrs, more):
        make(f'{top}/{make.__name__}')
    for where, dirs, files in os.walk(top, topdown=False):
        for name in dirs + files:
            os.utime(os.path.join(where, name), (1700000000, 1700000000),
                     follow_symlinks=False)


main()

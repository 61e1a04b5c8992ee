# SPDX-License-Identifier: GPL-2.0-only
"""
A writer of small EROFS images in which every byte can be named.

An Image is described (add), laid out (build), changed at will through views
of its structures (sb, inode, dirent, ...), and written. Nothing is ever
checked or repaired behind the caller's back: what build() makes is valid, and
what happens afterwards is the caller's intent. Only the superblock checksum
is computed last, and only when it is asked for.

The writer knows no compression. Encoded inodes are given as raw bytes.
Images are held in memory several times over; it is meant for small ones.
"""
import struct

SB_OFFSET = 1024
SB_SIZE = 128
MAGIC = 0xE0F5E1E2

COMPAT_SB_CHKSUM = 0x01
COMPAT_MTIME = 0x02
COMPAT_XATTR_FILTER = 0x04
COMPAT_SHARED_EA_IN_METABOX = 0x08
COMPAT_PLAIN_XATTR_PFX = 0x10
COMPAT_ISHARE_XATTRS = 0x20

INCOMPAT_LZ4_0PADDING = 0x001
INCOMPAT_COMPR_CFGS = 0x002
INCOMPAT_CHUNKED_FILE = 0x004
INCOMPAT_DEVICE_TABLE = 0x008
INCOMPAT_ZTAILPACKING = 0x010
INCOMPAT_FRAGMENTS = 0x020
INCOMPAT_XATTR_PREFIXES = 0x040
INCOMPAT_48BIT = 0x080
INCOMPAT_METABOX = 0x100

PLAIN, FULL, INLINE, COMPACT_IDX, CHUNK = range(5)

S_IFIFO, S_IFCHR, S_IFDIR, S_IFBLK = 0o010000, 0o020000, 0o040000, 0o060000
S_IFREG, S_IFLNK, S_IFSOCK, S_IFMT = 0o100000, 0o120000, 0o140000, 0o170000
FTYPE = {S_IFREG: 1, S_IFDIR: 2, S_IFCHR: 3, S_IFBLK: 4, S_IFIFO: 5,
         S_IFSOCK: 6, S_IFLNK: 7}

CHUNK_INDEXES = 0x20
CHUNK_48BIT = 0x40
HOLE = object()

# Longest first where one is the beginning of another
XATTR_INDEX = [(2, b'system.posix_acl_access'),
               (3, b'system.posix_acl_default'),
               (1, b'user.'), (4, b'trusted.'), (6, b'security.')]
XATTR_HIDDEN = 0
XATTR_LONG = 0x80
XATTR_SEED = 0x25BBE08F

# name: (offset, bytes)
SB = {'magic': (0, 4), 'checksum': (4, 4), 'feature_compat': (8, 4),
      'blkszbits': (12, 1), 'sb_extslots': (13, 1), 'rootnid_2b': (14, 2),
      'blocks_hi': (14, 2), 'inos': (16, 8), 'epoch': (24, 8),
      'fixed_nsec': (32, 4), 'blocks_lo': (36, 4), 'meta_blkaddr': (40, 4),
      'xattr_blkaddr': (44, 4), 'uuid': (48, 16), 'volume_name': (64, 16),
      'feature_incompat': (80, 4), 'available_compr_algs': (84, 2),
      'lz4_max_distance': (84, 2), 'extra_devices': (86, 2),
      'devt_slotoff': (88, 2), 'dirblkbits': (90, 1),
      'xattr_prefix_count': (91, 1), 'xattr_prefix_start': (92, 4),
      'packed_nid': (96, 8), 'xattr_filter_reserved': (104, 1),
      'ishare_xattr_prefix_id': (105, 1), 'build_time': (108, 4),
      'rootnid_8b': (112, 8), 'metabox_nid': (128, 8)}
DEVSLOT = {'tag': (0, 64), 'blocks_lo': (64, 4), 'uniaddr_lo': (68, 4),
           'blocks_hi': (72, 2), 'uniaddr_hi': (74, 2)}
INODE_COMPACT = {'i_format': (0, 2), 'i_xattr_icount': (2, 2),
                 'i_mode': (4, 2), 'i_nb': (6, 2), 'i_size': (8, 4),
                 'i_mtime': (12, 4), 'i_u': (16, 4), 'i_ino': (20, 4),
                 'i_uid': (24, 2), 'i_gid': (26, 2), 'i_reserved': (28, 4)}
INODE_EXTENDED = {'i_format': (0, 2), 'i_xattr_icount': (2, 2),
                  'i_mode': (4, 2), 'i_nb': (6, 2), 'i_size': (8, 8),
                  'i_u': (16, 4), 'i_ino': (20, 4), 'i_uid': (24, 4),
                  'i_gid': (28, 4), 'i_mtime': (32, 8),
                  'i_mtime_nsec': (40, 4), 'i_nlink': (44, 4)}
DIRENT = {'nid': (0, 8), 'nameoff': (8, 2), 'file_type': (10, 1),
          'reserved': (11, 1)}
CHUNK_MAP = {'startblk_lo': (0, 4)}
CHUNK_INDEX = {'startblk_hi': (0, 2), 'device_id': (2, 2),
               'startblk_lo': (4, 4)}
XATTR_BODY = {'h_name_filter': (0, 4), 'h_shared_count': (4, 1)}
XATTR_ENTRY = {'e_name_len': (0, 1), 'e_name_index': (1, 1),
               'e_value_size': (2, 2)}
PREFIX = {'len': (0, 2), 'base_index': (2, 1)}
CONFIG = {'len': (0, 2)}
U32 = {'v': (0, 4)}
MAP_HEADER = {'h_fragmentoff': (0, 4), 'h_extents_lo': (0, 4),
              'h_idata_size': (2, 2), 'h_advise': (4, 2),
              'h_algorithmtype': (6, 1), 'h_clusterbits': (7, 1)}


def align(x, a):
    return -(-x // a) * a


def _crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


_CRC = _crc_table()


def crc32c(data, crc=0xFFFFFFFF):
    """The raw state: no final inversion."""
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xff]
    return crc


def xxh32(data, seed=0):
    p = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1)
    m32 = 0xFFFFFFFF

    def rol(x, r):
        return (x << r | x >> (32 - r)) & m32

    i, n = 0, len(data)
    if n >= 16:
        v = [(seed + p[0] + p[1]) & m32, (seed + p[1]) & m32, seed & m32,
             (seed - p[0]) & m32]
        while i + 16 <= n:
            for k, w in enumerate(struct.unpack_from('<4I', data, i)):
                v[k] = rol((v[k] + w * p[1]) & m32, 13) * p[0] & m32
            i += 16
        h = rol(v[0], 1) + rol(v[1], 7) + rol(v[2], 12) + rol(v[3], 18)
    else:
        h = seed + p[4]
    h = (h + n) & m32
    while i + 4 <= n:
        w = struct.unpack_from('<I', data, i)[0]
        h = rol((h + w * p[2]) & m32, 17) * p[3] & m32
        i += 4
    for byte in data[i:]:
        h = rol((h + byte * p[4]) & m32, 11) * p[0] & m32
    h = (h ^ h >> 15) * p[1] & m32
    h = (h ^ h >> 13) * p[2] & m32
    return h ^ h >> 16


def fnv64(data, h=0xcbf29ce484222325):
    for byte in data:
        h = (h ^ byte) * 0x100000001b3 & 0xFFFFFFFFFFFFFFFF
    return h


def pattern(name, size, off=0):
    """The bytes of pattern.h whose seed is the hash of a name."""
    m64 = 0xFFFFFFFFFFFFFFFF
    seed = fnv64(name.encode()) * 0x9e3779b97f4a7c15 & m64
    out = bytearray()
    for nr in range(off // 8, -(-(off + size) // 8)):
        x = seed ^ (nr + 1)
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & m64
        x = (x ^ x >> 27) * 0x94d049bb133111eb & m64
        out += ((x ^ x >> 31) | 0x0101010101010101).to_bytes(8, 'little')
    return bytes(out[off % 8:off % 8 + size])


class View:
    """Named little-endian fields at one place of a buffer."""

    def __init__(self, buf, off, fields):
        self.buf, self.off, self.fields = buf, off, fields

    def __getitem__(self, name):
        off, size = self.fields[name]
        raw = bytes(self.buf[self.off + off:self.off + off + size])
        if size > 8:
            return raw
        return int.from_bytes(raw, 'little')

    def __setitem__(self, name, value):
        off, size = self.fields[name]
        if isinstance(value, (bytes, bytearray)):
            if len(value) > size:
                raise ValueError(f'{name}: {len(value)} bytes')
            raw = bytes(value).ljust(size, b'\0')
        else:
            if not -(1 << (8 * size - 1)) <= value < 1 << (8 * size):
                raise ValueError(f'{name}: {value:#x}')
            raw = (value & ((1 << 8 * size) - 1)).to_bytes(size, 'little')
        self.patch(off, raw)

    def patch(self, off, raw):
        """Raw bytes, relative to the structure."""
        start = self.off + off
        if start < 0 or start + len(raw) > len(self.buf):
            raise ValueError(f'patch at {start} outside the image')
        self.buf[start:start + len(raw)] = raw


class Node:
    """
    One inode. Keyword arguments of all kinds:
    perm, uid, gid, mtime (seconds, nanoseconds), nlink (None: counted),
    extended (None: when needed), nlink1 (compact, high half in i_nb),
    xattrs {full name: value}, shared (names kept in the shared area),
    filler (zero bytes after the entries), at (offset of the inode in its
    block; negative: from the block's end), last (after all others).
    layout: PLAIN, INLINE, CHUNK, or None for what fits. Chunks: chunk is log2
    of the blocks in one; index=True for 8-byte entries, wide=True for 48-bit
    ones; device(chunk number) gives a device id, or HOLE.
    """
    kind = 0

    def __init__(self, perm=0o644, uid=0, gid=0, mtime=None, nlink=None,
                 extended=None, nlink1=False, xattrs=None, shared=(),
                 filler=0, at=None, last=False, layout=None, chunk=0,
                 index=False, wide=False, device=None):
        self.perm, self.uid, self.gid, self.mtime = perm, uid, gid, mtime
        self.nlink, self.extended, self.nlink1 = nlink, extended, nlink1
        self.xattrs = dict(xattrs or {})
        self.shared, self.filler = set(shared), filler
        self.at, self.last, self.layout = at, last, layout
        self.chunk, self.index, self.wide = chunk, index, wide
        self.device = device
        self.ftype = None
        self.paths = []

    def content(self):
        return b''

    def mode(self):
        return self.kind | self.perm

    def file_type(self):
        """As in a dirent; ftype overrides it."""
        return FTYPE[self.kind] if self.ftype is None else self.ftype

    def array_entry(self):
        """Size of a chunk array's entry."""
        return 0 if self.layout != CHUNK else 8 if self.index else 4


class File(Node):
    """A regular file. null=True: a whole-file hole of the plain layout."""
    kind = S_IFREG

    def __init__(self, data=b'', null=False, **kw):
        super().__init__(**kw)
        self.data, self.null = bytes(data), null

    def content(self):
        return self.data


class Symlink(Node):
    kind = S_IFLNK

    def __init__(self, target, **kw):
        kw.setdefault('perm', 0o777)
        super().__init__(**kw)
        self.target = target.encode() if isinstance(target, str) else target

    def content(self):
        return self.target


class Special(Node):
    """FIFO, socket or device node."""

    def __init__(self, kind, major=0, minor=0, **kw):
        super().__init__(**kw)
        self.kind, self.major, self.minor = kind, major, minor

    def rdev(self):
        return (self.minor & 0xff | self.major << 8 |
                (self.minor & ~0xff) << 12)


class Dir(Node):
    """dot=False leaves out the entry "."; empty=True has no entry at all."""
    kind = S_IFDIR

    def __init__(self, dot=True, empty=False, **kw):
        kw.setdefault('perm', 0o755)
        super().__init__(**kw)
        self.dot, self.empty = dot, empty
        self.children = {}
        self.parent = None
        self.blocks = []

    def names(self):
        if self.empty:
            return []
        names = [b'..'] + ([b'.'] if self.dot else []) + list(self.children)
        return sorted(names)

    def pack(self, bs):
        """Names in their blocks; the size follows from them alone."""
        self.blocks, used = [], bs + 1
        for name in self.names():
            need = 12 + len(name)
            if used + need > bs:
                self.blocks.append([])
                used = 0
            self.blocks[-1].append(name)
            used += need
        self.size = max(len(self.blocks) - 1, 0) * bs
        if self.blocks:
            self.size += sum(12 + len(n) for n in self.blocks[-1])

    def target(self, name):
        if name == b'.':
            return self
        if name == b'..':
            return self.parent
        return self.children[name]

    def render(self, bs):
        out = bytearray()
        for names in self.blocks:
            off, head, tail = 12 * len(names), b'', b''
            for name in names:
                node = self.target(name)
                head += struct.pack('<QHBB', node.nid, off + len(tail),
                                    node.file_type(), 0)
                tail += name
            out += (head + tail).ljust(bs, b'\0')
        return bytes(out[:self.size])


class Encoded(Node):
    """
    An inode of layout 1 or 3. raw is what follows, from the map header on, or
    a function that makes it of the first block of stored, the encoded data.
    """

    def __init__(self, size, raw, kind=S_IFREG, blocks=0, stored=b'', plain=b'',
                 **kw):
        kw.setdefault('layout', FULL)
        super().__init__(**kw)
        self.kind, self.size, self.raw = kind, size, raw
        self.blocks, self.stored, self.plain = blocks, stored, plain


class Device:
    """An extra device: its bytes are appended by the chunks that name it."""

    def __init__(self, tag='', mapped=True):
        self.tag, self.mapped = tag, mapped
        self.buf = bytearray()


class Image:
    """
    sections is the order on the disk of: devt (device table), prefix (long
    xattr prefixes), shared (xattrs), meta (inodes), data. Whatever is last
    can be cut off. flat=True appends the devices to the primary device.
    configs: {algorithm: payload} of compression configuration records.
    """
    SECTIONS = ('devt', 'prefix', 'shared', 'meta', 'data')

    def __init__(self, bs=4096, sections=SECTIONS, bit48=False, epoch=0,
                 fixed_nsec=0, extslots=0, devices=(), flat=False, prefixes=(),
                 configs=None, label=b'', uuid=bytes(16), checksum=True,
                 incompat=0, compat=0, name_filter=True, prefix_in_packed=False,
                 first_slot=1, root=None, spare=0):
        self.bs, self.sections, self.bit48 = bs, sections, bit48
        self.epoch, self.fixed_nsec, self.extslots = epoch, fixed_nsec, extslots
        self.devices, self.flat = list(devices), flat
        self.prefixes = [(b, i.encode()) for b, i in prefixes]
        self.configs = dict(configs or {})
        self.label, self.uuid = label, uuid
        self.checksum, self.incompat, self.compat = checksum, incompat, compat
        self.name_filter = name_filter
        self.prefix_in_packed = prefix_in_packed
        self.first_slot, self.spare = first_slot, spare
        self.nodes = {}
        self.hidden = {}
        root = root or Dir()
        root.parent = root
        self._register('/', root)
        self.buf = bytearray()

    # ------------------------------------------------------- description

    def _register(self, path, node):
        node.paths.append(path)
        self.nodes[path] = node

    def add(self, path, node):
        """A second path of the same node is a hard link."""
        up, _, name = path.rpartition('/')
        parent = self.nodes[up or '/']
        parent.children[name.encode('utf-8', 'surrogateescape')] = node
        if isinstance(node, Dir):
            node.parent = parent
        self._register(path, node)
        return node

    def add_packed(self, node):
        self.hidden['packed'] = node
        return node

    def add_hidden(self, name, node):
        self.hidden[name] = node
        return node

    def _all(self):
        seen, out = set(), []
        for node in list(self.nodes.values()) + list(self.hidden.values()):
            if id(node) not in seen:
                seen.add(id(node))
                out.append(node)
        return [n for n in out if not n.last] + [n for n in out if n.last]

    # ------------------------------------------------------------ xattrs

    def split_name(self, full):
        """Full attribute name to (index, suffix, base index, whole rest)."""
        if full.startswith('#'):
            rest = full[1:].encode()
            return XATTR_HIDDEN, rest, XATTR_HIDDEN, rest
        raw = full.encode()
        for base, prefix in XATTR_INDEX:
            if raw.startswith(prefix):
                rest = raw[len(prefix):]
                break
        else:
            raise ValueError(full)
        best = None
        for n, (b, infix) in enumerate(self.prefixes):
            if b == base and rest.startswith(infix) and \
               (best is None or len(infix) > len(self.prefixes[best][1])):
                best = n
        if best is None:
            return base, rest, base, rest
        return (XATTR_LONG | best, rest[len(self.prefixes[best][1]):], base,
                rest)

    def _entry(self, full, value):
        index, suffix, _, _ = self.split_name(full)
        raw = struct.pack('<BBH', len(suffix), index, len(value))
        return (raw + suffix + value).ljust(
            align(4 + len(suffix) + len(value), 4), b'\0')

    def _xattr_layout(self, nodes):
        self.shared_ids, self.shared_raw = {}, bytearray()
        for node in nodes:
            for full in sorted(node.shared):
                key = (full, node.xattrs[full])
                if key not in self.shared_ids:
                    self.shared_ids[key] = len(self.shared_raw) // 4
                    self.shared_raw += self._entry(*key)
        for node in nodes:
            node.entry_offs = []
            if not node.xattrs and not node.filler:
                node.body = b''
                continue
            bits = 0xFFFFFFFF
            ids, inline = [], b''
            for full, value in node.xattrs.items():
                _, _, base, rest = self.split_name(full)
                bits &= ~(1 << (xxh32(rest, XATTR_SEED + base) & 31))
                if full in node.shared:
                    ids.append(self.shared_ids[(full, value)])
            for full, value in node.xattrs.items():
                if full not in node.shared:
                    node.entry_offs.append(12 + 4 * len(ids) + len(inline))
                    inline += self._entry(full, value)
            body = struct.pack('<IB7x', bits if self.name_filter else 0,
                               len(ids))
            body += b''.join(struct.pack('<I', i) for i in ids) + inline
            node.body = body + bytes(align(node.filler, 4))
            if len(node.body) == 12:
                raise ValueError('an xattr body of 12 bytes is not allowed')

    # ------------------------------------------------------------ layout

    def _shape(self, node):
        """Everything of an inode that its position does not change."""
        bs = self.bs
        if isinstance(node, Dir):
            node.pack(bs)
            node.size_ = node.size
        elif isinstance(node, Encoded):
            node.size_ = node.size
        elif isinstance(node, Special):
            node.size_ = 0
        else:
            node.size_ = len(node.content())
        mtime = node.mtime or (self.epoch, self.fixed_nsec)
        node.mtime_ = mtime
        delta = mtime[0] - self.epoch
        if node.extended is None:
            node.extended = bool(
                node.uid > 65535 or node.gid > 65535 or node.nlink_ > 65535 or
                node.size_ >> 32 or mtime[1] != self.fixed_nsec or
                delta and not (self.bit48 and 0 <= delta < 1 << 32))
        node.isize = 64 if node.extended else 32
        if node.layout is None:
            node.layout = PLAIN
            if not isinstance(node, Special) and 0 < node.size_ % bs and \
               not getattr(node, 'null', False):
                node.layout = INLINE if node.size_ % bs <= \
                    bs - (node.isize + len(node.body)) % bs else PLAIN
        blocks = -(-node.size_ // bs)
        node.tail_len = node.array_len = node.raw_len = 0
        node.nr_blocks = blocks
        if isinstance(node, Special):
            node.nr_blocks = 0
        elif isinstance(node, Encoded):
            raw = node.raw(0) if callable(node.raw) else node.raw
            node.raw_len = len(raw)
            node.nr_blocks = -(-len(node.stored) // bs)
        elif node.layout == INLINE:
            node.nr_blocks = max(blocks - 1, 0)
            node.tail_len = node.size_ - node.nr_blocks * bs
        elif node.layout == CHUNK:
            node.array_len = node.array_entry() * \
                -(-node.size_ // (bs << node.chunk))
            node.nr_blocks = 0
        elif getattr(node, 'null', False):
            node.nr_blocks = 0

    def _place(self, nodes):
        """Inodes one after the other; a tail never crosses a block."""
        bs, cursor = self.bs, 32 * self.first_slot
        for node in nodes:
            pos = align(cursor, 32)
            while True:
                end = pos + node.isize + len(node.body)
                ok = node.at is None or pos % bs == node.at % bs
                if node.tail_len and end % bs + node.tail_len > bs:
                    ok = False
                if ok:
                    break
                pos += 32
                if pos > cursor + 3 * bs:
                    raise ValueError(f'no place for {node.paths}')
            node.rel, node.end_rel = pos, end
            if node.array_len:
                end = align(end, node.array_entry())
            elif node.raw_len:
                end = align(end, 8)
            node.trail_rel = end
            cursor = end + node.array_len + node.tail_len + node.raw_len
            node.nid = pos // 32
        self.meta_len = cursor

    def prefix_table(self):
        table, offs = bytearray(), []
        for base, infix in self.prefixes:
            table += bytes(-len(table) % 4)
            offs.append(len(table))
            table += struct.pack('<HB', 1 + len(infix), base) + infix
        return table, offs

    def _sections(self, lengths):
        """Byte positions of the sections, blocks of the primary device."""
        bs = self.bs
        pos = SB_OFFSET + SB_SIZE + 16 * self.extslots
        self.config_offs = {}
        for alg in sorted(self.configs):
            pos = align(pos, 4)
            self.config_offs[alg] = pos
            pos += 2 + len(self.configs[alg])
        units = {'devt': 128, 'prefix': 4, 'shared': bs, 'meta': bs,
                 'data': bs}
        self.pos = {}
        for i, name in enumerate(self.sections):
            # The last one starts a block, so that it can be cut off alone
            unit = bs if i == len(self.sections) - 1 else units[name]
            if not lengths[name]:
                unit = 1
            self.pos[name] = pos = align(pos, unit)
            pos += lengths[name]
        self.blocks = -(-pos // bs) + self.spare

    def build(self):
        bs = self.bs
        nodes = self._all()
        for node in nodes:
            node.nlink_ = node.nlink if node.nlink is not None else \
                2 + sum(isinstance(c, Dir) for c in node.children.values()) \
                if isinstance(node, Dir) else max(len(node.paths), 1)
        table, self.prefix_offs = self.prefix_table()
        if self.prefix_in_packed and self.prefixes:
            packed = self.hidden['packed']
            packed.data = packed.data.ljust(align(len(packed.data), 4), b'\0')
            prefix_pos = len(packed.data)
            packed.data += bytes(table)
        self._xattr_layout(nodes)
        for node in nodes:
            self._shape(node)
        self._place(nodes)
        lengths = {
            'devt': 128 * len(self.devices), 'shared': len(self.shared_raw),
            'prefix': 0 if self.prefix_in_packed else len(table),
            'meta': self.meta_len,
            'data': bs * (sum(n.nr_blocks for n in nodes) +
                          self._primary_chunk_blocks(nodes))}
        self._sections(lengths)
        self.buf = bytearray(self.blocks * bs)
        if self.prefix_in_packed and self.prefixes:
            self.prefix_base = None
        else:
            prefix_pos = self.prefix_base = self.pos['prefix']
            self.patch(prefix_pos, table)
        self.patch(self.pos['shared'], self.shared_raw)
        self._next_block = self.pos['data'] // bs
        for n, node in enumerate(nodes):
            self._emit(node, n + 1)
        self._emit_devices()
        self._emit_super(nodes, prefix_pos)
        return self

    def _chunks(self, node, raw):
        size = self.bs << node.chunk
        for c in range(-(-node.size_ // size)):
            part = raw[c * size:(c + 1) * size]
            dev = node.device(c) if node.device else 0
            yield c, part, dev

    def _primary_chunk_blocks(self, nodes):
        return sum(-(-len(part) // self.bs)
                   for node in nodes if node.layout == CHUNK and node.array_len
                   for _, part, dev in self._chunks(node, bytes(node.size_))
                   if dev == 0)

    def _store(self, raw):
        block = self._next_block
        self._next_block += -(-len(raw) // self.bs)
        self.patch(block * self.bs, raw)
        return block

    def _emit(self, node, serial):
        bs, meta = self.bs, self.pos['meta']
        node.pos, node.end = meta + node.rel, meta + node.end_rel
        node.trail = meta + node.trail_rel
        raw = node.render(bs) if isinstance(node, Dir) else node.content()
        node.block, i_u = None, 0xFFFFFFFF
        hi = 0
        if isinstance(node, Special):
            i_u = node.rdev()
        elif isinstance(node, Encoded):
            if node.stored:
                node.block = self._store(node.stored)
            i_u = node.blocks
            body = node.raw(node.block) if callable(node.raw) else node.raw
            self.patch(node.trail, body)
        elif node.layout == CHUNK:
            i_u = node.chunk | (CHUNK_INDEXES if node.index else 0) | \
                (CHUNK_48BIT if node.wide else 0)
            self._emit_chunks(node, raw)
        elif getattr(node, 'null', False):
            hi = 0xFFFF if node.extended or node.nlink1 else 0
        else:
            head = raw[:node.nr_blocks * bs] if node.layout == INLINE else raw
            if head:
                i_u = node.block = self._store(head)
            elif self.bit48 and (node.extended or node.nlink1):
                hi = 0xFFFF
            if node.tail_len:
                self.patch(node.end, raw[-node.tail_len:])
        fmt = int(node.extended) | node.layout << 1
        if isinstance(node, Dir):
            fmt |= 0 if node.dot else 0x10
        elif node.nlink1 and not node.extended:
            fmt |= 0x10
        icount = (len(node.body) - 12) // 4 + 1 if node.body else 0
        sec, nsec = node.mtime_
        if node.extended:
            inode = struct.pack('<HHHHQIIIIqII16x', fmt, icount, node.mode(),
                                hi, node.size_, i_u, serial, node.uid,
                                node.gid, sec, nsec, node.nlink_)
        else:
            inode = struct.pack('<HHHHIIIIHH4x', fmt, icount, node.mode(),
                                hi if node.nlink1 else node.nlink_,
                                node.size_, sec - self.epoch, i_u, serial,
                                node.uid, node.gid)
        self.patch(node.pos, inode + node.body)

    def _emit_chunks(self, node, raw):
        bs = self.bs
        for c, part, dev in self._chunks(node, raw):
            if dev is HOLE:
                block, dev = (0xFFFFFFFFFFFF if node.wide else 0xFFFFFFFF), 0
            elif dev == 0:
                block = self._store(part)
            else:
                buf = self.devices[dev - 1].buf
                block = len(buf) // bs
                buf += part.ljust(align(len(part), bs), b'\0')
            if node.index:
                entry = struct.pack('<HHI', block >> 32, dev,
                                    block & 0xFFFFFFFF)
            else:
                entry = struct.pack('<I', block)
            self.patch(node.trail + c * node.array_entry(), entry)

    def _emit_devices(self):
        uniaddr = self.blocks
        for n, dev in enumerate(self.devices):
            blocks = len(dev.buf) // self.bs
            slot = self.devslot(n)
            slot['tag'] = dev.tag.encode()
            slot['blocks_lo'] = blocks & 0xFFFFFFFF
            if dev.mapped:
                slot['uniaddr_lo'] = uniaddr & 0xFFFFFFFF
                slot['uniaddr_hi'] = uniaddr >> 32
            uniaddr += blocks
        if self.flat:
            for dev in self.devices:
                self.buf += dev.buf

    def _emit_super(self, nodes, prefix_pos):
        sb, bs = self.sb, self.bs
        compat = self.compat | COMPAT_MTIME
        incompat = self.incompat
        if self.checksum:
            compat |= COMPAT_SB_CHKSUM
        if self.name_filter and any(n.body for n in nodes):
            compat |= COMPAT_XATTR_FILTER
        if any(n.layout == CHUNK for n in nodes):
            incompat |= INCOMPAT_CHUNKED_FILE
        if self.devices:
            incompat |= INCOMPAT_DEVICE_TABLE
            sb['extra_devices'] = len(self.devices)
            sb['devt_slotoff'] = self.pos['devt'] // 128
        if self.prefixes:
            incompat |= INCOMPAT_XATTR_PREFIXES
            sb['xattr_prefix_count'] = len(self.prefixes)
            sb['xattr_prefix_start'] = prefix_pos // 4
        if self.bit48:
            incompat |= INCOMPAT_48BIT
        if 'packed' in self.hidden:
            incompat |= INCOMPAT_FRAGMENTS
            sb['packed_nid'] = self.hidden['packed'].nid
        if self.configs:
            incompat |= INCOMPAT_COMPR_CFGS
            sb['available_compr_algs'] = sum(1 << a for a in self.configs)
            for alg, off in self.config_offs.items():
                raw = self.configs[alg]
                self.patch(off, struct.pack('<H', len(raw)) + raw)
        sb['magic'] = MAGIC
        sb['feature_compat'], sb['feature_incompat'] = compat, incompat
        sb['blkszbits'] = bs.bit_length() - 1
        sb['sb_extslots'] = self.extslots
        sb['rootnid_2b'] = self.nodes['/'].nid
        sb['inos'] = len(nodes)
        sb['epoch'], sb['fixed_nsec'] = self.epoch, self.fixed_nsec
        sb['blocks_lo'] = self.blocks
        sb['meta_blkaddr'] = self.pos['meta'] // bs
        sb['xattr_blkaddr'] = self.pos['shared'] // bs if self.shared_raw else 0
        sb['uuid'], sb['volume_name'] = self.uuid, self.label

    # ------------------------------------- names of the bytes, for changes

    @property
    def sb(self):
        return View(self.buf, SB_OFFSET, SB)

    def patch(self, off, raw):
        View(self.buf, 0, {}).patch(off, raw)

    def node(self, path):
        return self.hidden[path[1:]] if path.startswith('#') \
            else self.nodes[path]

    def inode(self, path):
        node = self.node(path)
        return View(self.buf, node.pos,
                    INODE_EXTENDED if node.extended else INODE_COMPACT)

    def chunk(self, path, n=0):
        node = self.node(path)
        return View(self.buf, node.trail + n * node.array_entry(),
                    CHUNK_INDEX if node.index else CHUNK_MAP)

    def map_header(self, path):
        return View(self.buf, self.node(path).trail, MAP_HEADER)

    def content_pos(self, path, off):
        """Where byte off of a flat file, directory or symlink is."""
        node = self.node(path)
        if off >= node.nr_blocks * self.bs and node.layout == INLINE:
            return node.end + off - node.nr_blocks * self.bs
        return node.block * self.bs + off

    def dirblock(self, path, n=0):
        """View of a directory block, for patch()."""
        return View(self.buf, self.content_pos(path, n * self.bs), {})

    def dirent(self, path, name):
        """By name, or by (block, index)."""
        blocks = self.node(path).blocks
        if isinstance(name, str):
            name = name.encode()
            name = next((b, k) for b, names in enumerate(blocks)
                        for k, have in enumerate(names) if have == name)
        b, k = name
        off = self.content_pos(path, b * self.bs) + 12 * k
        return View(self.buf, off, DIRENT)

    def xattr_body(self, path):
        node = self.node(path)
        return View(self.buf, node.pos + node.isize, XATTR_BODY)

    def xattr_entry(self, path, n=0):
        node = self.node(path)
        return View(self.buf, node.pos + node.isize + node.entry_offs[n],
                    XATTR_ENTRY)

    def shared_id(self, path, n=0):
        node = self.node(path)
        return View(self.buf, node.pos + node.isize + 12 + 4 * n, U32)

    def shared_entry(self, full, value):
        off = 4 * self.shared_ids[(full, value)]
        return View(self.buf, self.pos['shared'] + off, XATTR_ENTRY)

    def devslot(self, n):
        return View(self.buf, self.pos['devt'] + 128 * n, DEVSLOT)

    def prefix(self, n):
        return View(self.buf, self.prefix_base + self.prefix_offs[n], PREFIX)

    def config(self, alg):
        return View(self.buf, self.config_offs[alg], CONFIG)

    def cut(self, size):
        if size > len(self.buf):
            raise ValueError(f'cut at {size} of {len(self.buf)}')
        del self.buf[size:]

    # ------------------------------------------------------------ results

    def fix_checksum(self, invert=False):
        sb = self.sb
        size = self.bs - SB_OFFSET if self.bs > SB_OFFSET else self.bs
        raw = bytearray(self.buf[SB_OFFSET:SB_OFFSET + size])
        raw[4:8] = bytes(4)
        sb['checksum'] = crc32c(raw) ^ (0xFFFFFFFF if invert else 0)

    def tobytes(self, fix=True):
        if fix and self.sb['feature_compat'] & COMPAT_SB_CHKSUM:
            self.fix_checksum()
        return bytes(self.buf)

    def expected(self):
        """
        What a mount must show. One line for each path, its fields are:
        I path mode uid gid nlink size mtime nsec major:minor nid xattrs hash
        and one for each attribute: X path name value (hexadecimal). The hash
        is of the content, the target, or a directory's entries in order.
        """
        out = []
        for path, node in sorted(self.nodes.items()):
            data, rdev, size = node.content(), '0:0', node.size_
            if isinstance(node, Dir):
                names = node.names()
                # A reader makes up the "." that is not stored, at the end
                if not node.dot:
                    names.append(b'.')
                data = b''
                for name in names:
                    child = node.target(name)
                    ftype = child.file_type() if child.file_type() < 8 else 0
                    data += name + struct.pack('<BQ', ftype, child.nid)
            elif isinstance(node, Encoded):
                data = node.plain
            elif isinstance(node, Special):
                size = 0
                if node.kind in (S_IFCHR, S_IFBLK):
                    rdev = f'{node.major}:{node.minor}'
            nlink = 1 if node.nlink1 and not node.extended else node.nlink_
            # Nobody can ask for a name that has a NUL in it
            shown = {n: v for n, v in node.xattrs.items()
                     if not n.startswith('#') and '\0' not in n}
            quoted = path.encode('utf-8', 'surrogateescape')
            quoted = ''.join(chr(c) if 0x21 <= c < 0x7f and c != 0x25
                             else f'%{c:02x}' for c in quoted)
            out.append(f'I {quoted} {node.mode():o} {node.uid} {node.gid} '
                       f'{nlink} {size} {node.mtime_[0]} {node.mtime_[1]} '
                       f'{rdev} {node.nid} {len(shown)} {fnv64(data):016x}')
            for name, value in shown.items():
                out.append(f'X {quoted} {name} {value.hex() or "-"}')
        return '\n'.join(out) + '\n'

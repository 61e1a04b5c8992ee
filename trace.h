/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of the module, under events/erofs: one for each stage at which a
 * byte changes hands.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM erofs

#if !defined(EROFS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define EROFS_TRACE_H

#include <linux/tracepoint.h>

struct erofs_extent;
struct erofs_req;

TRACE_EVENT(erofs_lookup,
	TP_PROTO(const struct inode *dir, const struct dentry *dentry, u64 nid,
		 int err),
	TP_ARGS(dir, dentry, nid, err),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, dir)
		__string(name, dentry->d_name.name)
		__field(u64, nid)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->dev = dir->i_sb->s_dev;
		__entry->dir = EROFS_I(dir)->nid;
		k_assign_str(name, dentry->d_name.name);
		__entry->nid = nid;
		__entry->err = err;
	),
	TP_printk("dev %d:%d dir %llu name %s nid %llu err %d",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->dir,
		  __get_str(name), __entry->nid, __entry->err)
);

TRACE_EVENT(erofs_iget,
	TP_PROTO(const struct inode *inode, int err),
	TP_ARGS(inode, err),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, nid)
		__field(umode_t, mode)
		__field(int, layout)
		__field(u64, size)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->nid = EROFS_I(inode)->nid;
		__entry->mode = inode->i_mode;
		__entry->layout = EROFS_I(inode)->layout;
		__entry->size = i_size_read(inode);
		__entry->err = err;
	),
	TP_printk("dev %d:%d nid %llu mode %o layout %d size %llu err %d",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->nid,
		  __entry->mode, __entry->layout, __entry->size, __entry->err)
);

TRACE_EVENT(erofs_map,
	TP_PROTO(const struct inode *inode, u64 pos,
		 const struct erofs_extent *ext, int err),
	TP_ARGS(inode, pos, ext, err),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, nid)
		__field(u64, pos)
		__field(int, kind)
		__field(u64, la)
		__field(u64, len)
		__field(u64, pa)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->nid = EROFS_I(inode)->nid;
		__entry->pos = pos;
		__entry->kind = ext->kind;
		__entry->la = ext->la;
		__entry->len = ext->len;
		__entry->pa = ext->pa;
		__entry->err = err;
	),
	TP_printk("dev %d:%d nid %llu pos %llu kind %s la %llu len %llu pa %llu err %d",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->nid,
		  __entry->pos,
		  __print_symbolic(__entry->kind,
				   { 0, "hole" }, { 1, "plain" },
				   { 2, "inline" }, { 3, "encoded" },
				   { 4, "fragment" }),
		  __entry->la, __entry->len, __entry->pa, __entry->err)
);

DECLARE_EVENT_CLASS(erofs_req,
	TP_PROTO(const struct erofs_req *req, int err),
	TP_ARGS(req, err),
	TP_STRUCT__entry(
		__field(const void *, req)
		__field(int, device)
		__field(u64, pos)
		__field(u32, len)
		__field(bool, readahead)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->req = req;
		__entry->device = req->dev - req->sbi->devs;
		__entry->pos = req->pos;
		__entry->len = req->len;
		__entry->readahead = req->opf & REQ_RAHEAD;
		__entry->err = err;
	),
	TP_printk("req %p device %d pos %llu len %u readahead %d err %d",
		  __entry->req, __entry->device, __entry->pos, __entry->len,
		  __entry->readahead, __entry->err)
);

DEFINE_EVENT(erofs_req, erofs_req_submit,
	TP_PROTO(const struct erofs_req *req, int err), TP_ARGS(req, err));
DEFINE_EVENT(erofs_req, erofs_req_end,
	TP_PROTO(const struct erofs_req *req, int err), TP_ARGS(req, err));

TRACE_EVENT(erofs_decode,
	TP_PROTO(const struct inode *inode, const struct erofs_extent *ext,
		 u64 reach, int err),
	TP_ARGS(inode, ext, reach, err),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, nid)
		__field(u64, la)
		__field(u64, len)
		__field(u64, pa)
		__field(u64, plen)
		__field(u64, reach)
		__field(unsigned int, algorithm)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->nid = EROFS_I(inode)->nid;
		__entry->la = ext->la;
		__entry->len = ext->len;
		__entry->pa = ext->pa;
		__entry->plen = ext->plen;
		__entry->reach = reach;
		__entry->algorithm = ext->algorithm;
		__entry->err = err;
	),
	TP_printk("dev %d:%d nid %llu la %llu len %llu pa %llu plen %llu reach %llu alg %u err %d",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->nid,
		  __entry->la, __entry->len, __entry->pa, __entry->plen,
		  __entry->reach, __entry->algorithm, __entry->err)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>

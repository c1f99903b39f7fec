/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/* Which content a file had. agent/exe_hash.py and agent/feeds/filters.py have the layout. */
#ifndef VEDETTE_CONTENT_H
#define VEDETTE_CONTENT_H

#define NS_A_SECOND 1000000000ULL

/* As long as all of this is equal, so is the content. Times are ns. */
struct content {
	__u64 device;
	__u64 inode;
	__u64 size;
	__u64 mtime;
	__u64 ctime;
};

/* The verifier knows the inode's type: its fields are read without a call. */
static __always_inline void fill_content(struct content *content, struct inode *inode)
{
	struct inode___old *old = (void *)inode;
	struct inode___6_6 *later = (void *)inode;
	struct inode___6_7 *late = (void *)inode;

	content->device = inode->i_sb->s_dev;
	content->inode = inode->i_ino;
	content->size = inode->i_size;
	if (bpf_core_field_exists(inode->i_mtime_sec)) {
		/* The top bit of the nanoseconds tells that somebody asked for this time. */
		content->mtime = inode->i_mtime_sec * NS_A_SECOND + inode->i_mtime_nsec;
		content->ctime = inode->i_ctime_sec * NS_A_SECOND +
				 (inode->i_ctime_nsec & 0x7fffffff);
		return;
	}
	if (bpf_core_field_exists(late->__i_mtime))
		content->mtime = late->__i_mtime.tv_sec * NS_A_SECOND + late->__i_mtime.tv_nsec;
	else
		content->mtime = old->i_mtime.tv_sec * NS_A_SECOND + old->i_mtime.tv_nsec;
	if (bpf_core_field_exists(later->__i_ctime))
		content->ctime = later->__i_ctime.tv_sec * NS_A_SECOND + later->__i_ctime.tv_nsec;
	else
		content->ctime = old->i_ctime.tv_sec * NS_A_SECOND + old->i_ctime.tv_nsec;
}

#endif

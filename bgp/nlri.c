// SPDX-License-Identifier: Apache-2.0
#include "nlri.h"

#include <string.h>

static size_t prefix_bytes(unsigned bits)
{
	return (bits + 7) / 8;
}

// Reads one entry; the reader fails on anything that is not one.
static void read_one(struct buf_reader *r, const struct nlri_run *run, struct nlri *ret_nlri)
{
	unsigned max = run->family == BGP_IPV4 ? 32 : 128;
	struct ip_addr addr = {.family = nlri_ip_family(run->family)};
	uint32_t path_id = run->add_path ? buf_get_be32(r) : 0;
	unsigned bits = buf_get_u8(r);

	if (bits > max) {
		r->failed = true;
		return;
	}
	buf_get_bytes(r, addr.bytes, prefix_bytes(bits));
	*ret_nlri = (struct nlri){.prefix = prefix_make(&addr, bits), .path_id = path_id};
}

bool nlri_check(const struct nlri_run *run)
{
	struct buf_reader r;
	struct nlri n;

	buf_reader_init(&r, run->bytes, run->size);
	while (r.left && !r.failed)
		read_one(&r, run, &n);
	return !r.failed;
}

bool nlri_next(struct nlri_run *run, struct nlri *ret_nlri)
{
	struct buf_reader r;

	if (!run->size)
		return false;
	buf_reader_init(&r, run->bytes, run->size);
	read_one(&r, run, ret_nlri);
	if (r.failed) {
		run->size = 0;
		return false;
	}
	run->bytes = r.p;
	run->size = (uint16_t)r.left;
	return true;
}

void nlri_write(struct buf_writer *w, const struct nlri *nlri, bool add_path)
{
	if (add_path)
		buf_put_be32(w, nlri->path_id);
	buf_put_u8(w, nlri->prefix.len);
	buf_put_bytes(w, nlri->prefix.addr.bytes, prefix_bytes(nlri->prefix.len));
}

size_t nlri_size(const struct nlri *nlri, bool add_path)
{
	return (add_path ? 4 : 0) + 1 + prefix_bytes(nlri->prefix.len);
}

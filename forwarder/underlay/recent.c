// SPDX-License-Identifier: Apache-2.0
#include "underlay/recent.h"

#include <string.h>

#include "underlay/underlay.h"

void underlay_recent_keep(struct underlay_recent *r, struct underlay_dest *dest)
{
	struct underlay_dest **keep = &r->dests[r->next++ % UNDERLAY_RECENT];

	if (*keep)
		underlay_dest_put(*keep);
	*keep = dest;
}

void underlay_recent_fini(struct underlay_recent *r)
{
	for (unsigned i = 0; i < UNDERLAY_RECENT; i++)
		if (r->dests[i])
			underlay_dest_put(r->dests[i]);
	memset(r, 0, sizeof(*r));
}

// SPDX-License-Identifier: Apache-2.0
// Addresses of the provider networks: which are taken, by slots or by others, and the lowest free.
#include "state.h"

#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

// Several may hold one address (an interface and a reservation): counted.
struct provider_addr {
	struct ip_addr addr;
	uint32_t uses;
	bool by_slot;
};

// What somebody else than a slot has.
struct reservation {
	struct ip_addr addr;
	char owner[];
};

#define PROBES_MAX 65536 // addresses looked at for one free

static struct provider_addr *lookup(const struct plan *p, const struct ip_addr *addr)
{
	return map_find(&p->addresses, addr, sizeof(*addr));
}

void addresses_fini(struct plan *p)
{
	struct provider_addr *a;
	struct reservation *r;
	size_t at = 0;

	while ((r = map_next(&p->reservations, &at)))
		free(r);
	map_fini(&p->reservations);
	for (at = 0; (a = map_next(&p->addresses, &at));)
		free(a);
	map_fini(&p->addresses);
}

// Counts a use; true if it was free.
bool address_claim(struct plan *p, const struct ip_addr *addr, bool by_slot)
{
	struct provider_addr *a = lookup(p, addr);

	if (addr->family == IP_NONE)
		return false;
	if (a) {
		a->uses++;
		a->by_slot |= by_slot;
		return false;
	}
	a = xmalloc(sizeof(*a));
	*a = (struct provider_addr){*addr, 1, by_slot};
	map_set(&p->addresses, &a->addr, sizeof(a->addr), a);
	return true;
}

void address_release(struct plan *p, const struct ip_addr *addr)
{
	struct provider_addr *a = lookup(p, addr);

	if (!a || --a->uses)
		return;
	map_del(&p->addresses, &a->addr, sizeof(a->addr));
	free(a);
}

void plan_unreserve(struct plan *p, const char *owner)
{
	struct reservation *r = map_del_str(&p->reservations, owner);

	if (!r)
		return;
	address_release(p, &r->addr);
	free(r);
}

void plan_reserve(struct plan *p, const char *owner, const struct ip_addr *addr)
{
	struct reservation *r = map_find_str(&p->reservations, owner);
	size_t size = strlen(owner) + 1;

	if (r && ip_equal(&r->addr, addr))
		return;
	plan_unreserve(p, owner);
	if (addr->family == IP_NONE)
		return;
	r = xcalloc(1, sizeof(*r) + size);
	r->addr = *addr;
	memcpy(r->owner, owner, size);
	map_set_str(&p->reservations, r->owner, r);
	address_claim(p, addr, false);
}

bool plan_address_taken(const struct plan *p, const struct ip_addr *addr)
{
	const struct provider_addr *a = lookup(p, addr);

	return a && a->by_slot;
}

static bool find_in_range(struct plan *p, const struct plan_range *r, struct ip_addr *ret_addr)
{
	struct ip_addr addr = r->first;

	for (unsigned i = 0; i < PROBES_MAX && ip_compare(&addr, &r->last) <= 0; i++) {
		if (!lookup(p, &addr)) {
			*ret_addr = addr;
			return true;
		}
		if (ip_add(&addr, 1, &addr))
			return false;
	}
	return false;
}

// The lowest free of one version. `ret_offered`: whether any range is of that version.
static bool find_free(struct plan *p, const struct plan_range *ranges, size_t len,
	enum ip_family family, struct ip_addr *ret_addr, bool *ret_offered)
{
	*ret_offered = false;
	for (size_t i = 0; i < len; i++) {
		if (ranges[i].first.family != family)
			continue;
		*ret_offered = true;
		if (find_in_range(p, &ranges[i], ret_addr))
			return true;
	}
	return false;
}

static bool find_both(
	struct plan *p, const struct plan_range *ranges, size_t len, struct ip_addr ret_addr[2])
{
	static const enum ip_family families[2] = {IP_V4, IP_V6};
	bool any = false;

	for (int i = 0; i < 2; i++) {
		bool offered;

		ret_addr[i] = (struct ip_addr){0};
		if (!find_free(p, ranges, len, families[i], &ret_addr[i], &offered) && offered)
			return false;
		any |= offered;
	}
	return any;
}

bool address_any_free(struct plan *p, const struct plan_range *ranges, size_t len)
{
	struct ip_addr found[2];

	return find_both(p, ranges, len, found);
}

bool address_take(
	struct plan *p, const struct plan_range *ranges, size_t len, struct ip_addr ret_addr[2])
{
	struct ip_addr found[2];

	if (!find_both(p, ranges, len, found))
		return false;
	for (int i = 0; i < 2; i++) {
		address_claim(p, &found[i], true);
		ret_addr[i] = found[i];
	}
	return true;
}

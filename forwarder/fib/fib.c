// SPDX-License-Identifier: Apache-2.0

// The writer's side of the FIB: a tree bitmap with path compression, changed by copying.
//
// A change rebuilds the node it touches, the sibling array that holds the node, and nothing else;
// one 32-bit store in the parent (or in the root table) shows the new array. A node with neither
// prefixes nor children never stays, one with a single child and no prefix is merged into the
// child, so that memory follows the routes whatever the order of changes.

#include "fib.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fib_impl.h"
#include "rcu.h"
#include "xmalloc.h"

#define MAX_DEPTH 24 // nodes on the way to any prefix

// The way from the root to a node, and copies of the nodes on it.
struct way {
	struct {
		uint32_t at;    // in the node pool
		unsigned depth; // where the node's skip begins
		unsigned six;   // which child of it the way takes
		struct fib_node node;
	} step[MAX_DEPTH];
	unsigned len;
};

// A prefix as the trie sees it.
struct target {
	struct fib_key key;
	unsigned depth; // of the node it ends in
	unsigned bit;   // in that node's `prefixes`
	uint32_t nh;
	unsigned low; // in-node length
};

struct fib_key fib_key_of(const struct ip_addr *addr)
{
	struct fib_key k = {0, 0};

	for (unsigned i = 0; i < 8; i++) {
		k.hi = k.hi << 8 | addr->bytes[i];
		k.lo = k.lo << 8 | addr->bytes[i + 8];
	}
	return k;
}

static struct fib_node *node_at(const struct fib *f, uint32_t at)
{
	return (struct fib_node *)f->nodes.base + at;
}

static uint32_t *leaf_at(const struct fib *f, uint32_t at)
{
	return (uint32_t *)f->leaves.base + at;
}

static unsigned child_count(const struct fib_node *n)
{
	return (unsigned)__builtin_popcountll(n->children);
}

static unsigned prefix_count(const struct fib_node *n)
{
	return (unsigned)__builtin_popcountll(n->prefixes);
}

static unsigned rank(uint64_t bits, unsigned bit)
{
	return (unsigned)__builtin_popcountll(bits & ((UINT64_C(1) << bit) - 1));
}

static uint64_t skip_make(uint64_t window, unsigned count)
{
	return (window & ~(~UINT64_C(0) >> count)) | count;
}

static struct target target_of(const struct ip_prefix *prefix, uint32_t nh)
{
	unsigned end = prefix->len + FIB_SHIFT;
	struct target t = {.key = fib_key_of(&prefix->addr), .nh = nh};

	t.low = end % FIB_STRIDE;
	t.depth = end - t.low;
	t.bit = (1u << t.low) - 1;
	if (t.low)
		t.bit += (unsigned)(fib_window6(t.key, t.depth) >> (64 - t.low));
	return t;
}

// -- arrays: each returns the new array's index and retires the old one

static uint32_t leaves_insert(struct fib *f, const struct fib_node *n, unsigned bit, uint32_t nh)
{
	unsigned len = prefix_count(n), at = rank(n->prefixes, bit);
	uint32_t new = fib_pool_alloc(&f->leaves, len + 1);
	uint32_t *dst = leaf_at(f, new), *src = leaf_at(f, n->leaf);

	memcpy(dst, src, at * sizeof(*dst));
	dst[at] = nh;
	memcpy(dst + at + 1, src + at, (len - at) * sizeof(*dst));
	if (len)
		fib_pool_retire(&f->leaves, n->leaf, len);
	return new;
}

static uint32_t leaves_remove(struct fib *f, const struct fib_node *n, unsigned bit)
{
	unsigned len = prefix_count(n), at = rank(n->prefixes, bit);
	uint32_t new = 0;

	if (len > 1) {
		uint32_t *dst, *src = leaf_at(f, n->leaf);

		new = fib_pool_alloc(&f->leaves, len - 1);
		dst = leaf_at(f, new);
		memcpy(dst, src, at * sizeof(*dst));
		memcpy(dst + at, src + at + 1, (len - 1 - at) * sizeof(*dst));
	}
	fib_pool_retire(&f->leaves, n->leaf, len);
	return new;
}

static uint32_t children_insert(
	struct fib *f, const struct fib_node *n, unsigned six, const struct fib_node *child)
{
	unsigned len = child_count(n), at = rank(n->children, six);
	uint32_t new = fib_pool_alloc(&f->nodes, len + 1);
	struct fib_node *dst = node_at(f, new), *src = node_at(f, n->child);

	memcpy(dst, src, at * sizeof(*dst));
	dst[at] = *child;
	memcpy(dst + at + 1, src + at, (len - at) * sizeof(*dst));
	if (len)
		fib_pool_retire(&f->nodes, n->child, len);
	return new;
}

static uint32_t children_remove(struct fib *f, const struct fib_node *n, unsigned six)
{
	unsigned len = child_count(n), at = rank(n->children, six);
	uint32_t new = 0;

	if (len > 1) {
		struct fib_node *dst, *src = node_at(f, n->child);

		new = fib_pool_alloc(&f->nodes, len - 1);
		dst = node_at(f, new);
		memcpy(dst, src, at * sizeof(*dst));
		memcpy(dst + at, src + at + 1, (len - 1 - at) * sizeof(*dst));
	}
	fib_pool_retire(&f->nodes, n->child, len);
	return new;
}

// -- the way

static uint32_t *root_of(const struct fib *f, uint32_t vrf, const struct ip_prefix *prefix)
{
	return prefix->addr.family == IP_V4 ? &f->root4[vrf] : &f->root6[vrf];
}

// Walks towards t; true if the way ends in the node t belongs to.
static bool way_find(const struct fib *f, uint32_t root, const struct target *t, struct way *w)
{
	uint32_t at = root;
	unsigned depth = 0;

	w->len = 0;
	while (at) {
		const struct fib_node *n = node_at(f, at);
		uint64_t window = fib_window6(t->key, depth);
		unsigned here = depth + fib_skip_bits(n);
		unsigned six;

		w->step[w->len].at = at;
		w->step[w->len].depth = depth;
		w->step[w->len].node = *n;
		w->len++;
		if (here > t->depth || !fib_skip_matches(n, window))
			return false;
		if (here == t->depth)
			return true;
		six = (unsigned)(fib_window6(t->key, here) >> 58);
		w->step[w->len - 1].six = six;
		if (!(n->children >> six & 1))
			return false;
		at = fib_child_at(n, six);
		depth = here + FIB_STRIDE;
	}
	return false;
}

// Shows `node` in place of the one at step i.
static void way_replace(
	struct fib *f, uint32_t *root, const struct way *w, unsigned i, const struct fib_node *node)
{
	const struct fib_node *parent = i ? &w->step[i - 1].node : NULL;
	unsigned len = parent ? child_count(parent) : 1;
	uint32_t old = parent ? parent->child : w->step[0].at;
	uint32_t *shown = parent ? &node_at(f, w->step[i - 1].at)->child : root;
	uint32_t new = fib_pool_alloc(&f->nodes, len);

	memcpy(node_at(f, new), node_at(f, old), len * sizeof(*node));
	*node_at(f, new + (w->step[i].at - old)) = *node;
	rcu_store(shown, new);
	fib_pool_retire(&f->nodes, old, len);
}

// A node that holds only t, as seen from `depth`: with more bits to skip than one node can, a
// chain.
static struct fib_node chain_make(struct fib *f, unsigned depth, const struct target *t)
{
	unsigned start = depth;
	struct fib_node n = {.leaf = fib_pool_alloc(&f->leaves, 1)};

	*leaf_at(f, n.leaf) = t->nh;
	n.prefixes = UINT64_C(1) << t->bit;
	while (t->depth - start > FIB_MAX_SKIP)
		start += FIB_MAX_SKIP + FIB_STRIDE;
	n.skip = skip_make(fib_window6(t->key, start), t->depth - start);
	while (start > depth) {
		struct fib_node up = {0};

		start -= FIB_STRIDE;
		up.child = fib_pool_alloc(&f->nodes, 1);
		*node_at(f, up.child) = n;
		up.children = UINT64_C(1) << (fib_window6(t->key, start) >> 58);
		start -= FIB_MAX_SKIP;
		up.skip = skip_make(fib_window6(t->key, start), FIB_MAX_SKIP);
		n = up;
	}
	return n;
}

static void node_add_child(
	struct fib *f, struct fib_node *n, unsigned depth, const struct target *t)
{
	unsigned six = (unsigned)(fib_window6(t->key, depth) >> 58);
	struct fib_node child = chain_make(f, depth + FIB_STRIDE, t);

	n->child = children_insert(f, n, six, &child);
	n->children |= UINT64_C(1) << six;
}

// The last node of the way skips bits that t does not share, or more than t has: puts a node
// between.
static struct fib_node node_split(
	struct fib *f, const struct fib_node *old, unsigned depth, const struct target *t)
{
	uint64_t window = fib_window6(t->key, depth);
	uint64_t differs = (window ^ old->skip) & ~(~UINT64_C(0) >> fib_skip_bits(old));
	unsigned common = differs ? (unsigned)__builtin_clzll(differs) : fib_skip_bits(old);
	struct fib_node lower = *old, n = {0};

	common -= common % FIB_STRIDE;
	if (common > t->depth - depth)
		common = t->depth - depth;
	lower.skip = skip_make((old->skip & ~UINT64_C(0xff)) << (common + FIB_STRIDE),
		fib_skip_bits(old) - common - FIB_STRIDE);
	n.skip = skip_make(window, common);
	n.child = fib_pool_alloc(&f->nodes, 1);
	*node_at(f, n.child) = lower;
	n.children = UINT64_C(1) << (old->skip << common >> 58);
	if (depth + common == t->depth) {
		n.leaf = leaves_insert(f, &n, t->bit, t->nh);
		n.prefixes = UINT64_C(1) << t->bit;
	} else {
		node_add_child(f, &n, depth + common, t);
	}
	return n;
}

static bool prefix_is_valid(const struct fib *f, uint32_t vrf, const struct ip_prefix *prefix)
{
	uint8_t family = prefix->addr.family;

	return vrf < f->max_vrfs && (family == IP_V4 || family == IP_V6) &&
	       prefix->len <= ip_bits(&prefix->addr);
}

int fib_set(struct fib *f, uint32_t vrf, const struct ip_prefix *prefix, uint32_t nh)
{
	struct target t;
	struct fib_node n;
	struct way w;
	uint32_t *root;
	bool exact;
	unsigned last, here;

	if (!prefix_is_valid(f, vrf, prefix) || nh == FIB_NO_ROUTE)
		return -EINVAL;
	t = target_of(prefix, nh);
	root = root_of(f, vrf, prefix);
	exact = way_find(f, *root, &t, &w);
	last = w.len - 1;
	if (exact && (w.step[last].node.prefixes >> t.bit & 1)) {
		n = w.step[last].node;
		__atomic_store_n(
			leaf_at(f, n.leaf + rank(n.prefixes, t.bit)), nh, __ATOMIC_RELEASE);
		return 0;
	}
	if (!fib_pool_has_room(&f->nodes, 8) || !fib_pool_has_room(&f->leaves, 2))
		return -ENOSPC;
	f->routes++;
	if (w.len == 0) {
		uint32_t at = fib_pool_alloc(&f->nodes, 1);

		*node_at(f, at) = chain_make(f, 0, &t);
		rcu_store(root, at);
		return 0;
	}
	n = w.step[last].node;
	here = w.step[last].depth + fib_skip_bits(&n);
	if (exact) {
		n.leaf = leaves_insert(f, &n, t.bit, nh);
		n.prefixes |= UINT64_C(1) << t.bit;
	} else if (here <= t.depth &&
		   fib_skip_matches(&n, fib_window6(t.key, w.step[last].depth))) {
		node_add_child(f, &n, here, &t);
	} else {
		n = node_split(f, &n, w.step[last].depth, &t);
	}
	way_replace(f, root, &w, last, &n);
	return 0;
}

// Merges a node that has nothing but one child into the child, if one skip word can hold both.
static void node_merge(struct fib *f, struct fib_node *n)
{
	unsigned own = fib_skip_bits(n), lower, six;
	struct fib_node child;
	uint64_t bits;

	if (n->prefixes || child_count(n) != 1)
		return;
	child = *node_at(f, n->child);
	lower = fib_skip_bits(&child);
	if (own + FIB_STRIDE + lower > FIB_MAX_SKIP)
		return;
	six = (unsigned)__builtin_ctzll(n->children);
	bits = (n->skip & ~UINT64_C(0xff)) | (uint64_t)six << 58 >> own;
	bits |= (child.skip & ~UINT64_C(0xff)) >> (own + FIB_STRIDE);
	child.skip = skip_make(bits, own + FIB_STRIDE + lower);
	fib_pool_retire(&f->nodes, n->child, 1);
	*n = child;
}

int fib_del(struct fib *f, uint32_t vrf, const struct ip_prefix *prefix)
{
	struct target t;
	struct fib_node n;
	struct way w;
	uint32_t *root;
	unsigned i;

	if (!prefix_is_valid(f, vrf, prefix))
		return -ENOENT;
	t = target_of(prefix, 0);
	root = root_of(f, vrf, prefix);
	if (!way_find(f, *root, &t, &w))
		return -ENOENT;
	i = w.len - 1;
	n = w.step[i].node;
	if (!(n.prefixes >> t.bit & 1))
		return -ENOENT;
	if (!fib_pool_has_room(&f->nodes, 2) || !fib_pool_has_room(&f->leaves, 1))
		return -ENOSPC;
	f->routes--;
	n.leaf = leaves_remove(f, &n, t.bit);
	n.prefixes &= ~(UINT64_C(1) << t.bit);
	while (!n.prefixes && !n.children) {
		if (i == 0) {
			uint32_t old = *root;

			rcu_store(root, 0);
			fib_pool_retire(&f->nodes, old, 1);
			return 0;
		}
		n = w.step[--i].node;
		n.child = children_remove(f, &n, w.step[i].six);
		n.children &= ~(UINT64_C(1) << w.step[i].six);
	}
	node_merge(f, &n);
	way_replace(f, root, &w, i, &n);
	return 0;
}

uint32_t fib_get(const struct fib *f, uint32_t vrf, const struct ip_prefix *prefix)
{
	struct target t;
	struct way w;
	const struct fib_node *n;

	if (!prefix_is_valid(f, vrf, prefix))
		return FIB_NO_ROUTE;
	t = target_of(prefix, 0);
	if (!way_find(f, *root_of(f, vrf, prefix), &t, &w))
		return FIB_NO_ROUTE;
	n = &w.step[w.len - 1].node;
	if (!(n->prefixes >> t.bit & 1))
		return FIB_NO_ROUTE;
	return *leaf_at(f, n->leaf + rank(n->prefixes, t.bit));
}

void fib_flush(struct fib *f)
{
	fib_pool_flush(&f->nodes);
	fib_pool_flush(&f->leaves);
}

void fib_stats(const struct fib *f, struct fib_stats *ret_stats)
{
	ret_stats->routes = f->routes;
	ret_stats->node_bytes = (uint64_t)f->nodes.used * sizeof(struct fib_node);
	ret_stats->leaf_bytes = (uint64_t)f->leaves.used * sizeof(uint32_t);
	ret_stats->bytes = ret_stats->node_bytes + ret_stats->leaf_bytes +
			   2 * (uint64_t)f->max_vrfs * sizeof(uint32_t);
}

struct fib *fib_new(const struct fib_size *size, bool concurrent)
{
	struct fib *f = xcalloc(1, sizeof(*f));
	int r = fib_pool_init(&f->nodes, sizeof(struct fib_node), size->max_nodes, concurrent);

	if (r == 0)
		r = fib_pool_init(&f->leaves, sizeof(uint32_t), size->max_leaves, concurrent);
	if (r < 0) {
		fib_pool_fini(&f->nodes);
		free(f);
		errno = -r;
		return NULL;
	}
	f->max_vrfs = size->max_vrfs;
	f->root4 = xcalloc(size->max_vrfs, sizeof(uint32_t));
	f->root6 = xcalloc(size->max_vrfs, sizeof(uint32_t));
	return f;
}

void fib_free(struct fib *f)
{
	if (!f)
		return;
	if (f->nodes.concurrent) {
		fib_flush(f);
		rcu_synchronize();
	}
	fib_pool_fini(&f->nodes);
	fib_pool_fini(&f->leaves);
	free(f->root4);
	free(f->root6);
	free(f);
}

// SPDX-License-Identifier: Apache-2.0
#include "desired.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "xmalloc.h"

#define DESIRED_OBJECT_MAX 4096 // bytes of a merged object: routes

void desired_init(struct desired_set *set)
{
	*set = (struct desired_set){0};
	set->maps = xcalloc(desired_type_len, sizeof(*set->maps));
	set->queues = xcalloc(desired_type_len * DESIRED_QUEUES, sizeof(*set->queues));
	for (size_t i = 0; i < desired_type_len; i++)
		map_init(&set->maps[i]);
	for (size_t i = 0; i < desired_type_len * DESIRED_QUEUES; i++)
		TAILQ_INIT(&set->queues[i]);
}

static struct map *desired_map(const struct desired_set *set, const struct desired_type *type)
{
	return &set->maps[type - desired_types];
}

static struct desired_queue *desired_queue(
	const struct desired_set *set, const struct desired_type *type, enum desired_queue_no no)
{
	return &set->queues[(size_t)(type - desired_types) * DESIRED_QUEUES + no];
}

static void desired_free(struct desired *d)
{
	struct contribution *c;

	while ((c = SLIST_FIRST(&d->contributions))) {
		SLIST_REMOVE_HEAD(&d->contributions, of_desired);
		free(c);
	}
	free(d->value);
	free(d->text);
	free(d);
}

void desired_fini(struct desired_set *set)
{
	for (size_t i = 0; i < desired_type_len; i++) {
		struct desired *d;
		size_t at = 0;

		while ((d = map_next(&set->maps[i], &at)))
			desired_free(d);
		map_fini(&set->maps[i]);
	}
	free(set->maps);
	free(set->queues);
	*set = (struct desired_set){0};
}

const struct desired_type *desired_type_find(uint16_t type)
{
	for (size_t i = 0; i < desired_type_len; i++) {
		if (desired_types[i].type == type)
			return &desired_types[i];
	}
	return NULL;
}

struct desired *desired_find(
	const struct desired_set *set, const struct desired_type *type, const void *key)
{
	return map_find(desired_map(set, type), key, type->key_size);
}

static struct desired *desired_make(
	struct desired_set *set, const struct desired_type *type, const void *key)
{
	struct desired *d = desired_find(set, type, key);

	if (d)
		return d;
	d = xcalloc(1, sizeof(*d) + type->key_size);
	d->type = type;
	SLIST_INIT(&d->contributions);
	memcpy(d->key, key, type->key_size);
	map_set(desired_map(set, type), d->key, type->key_size, d);
	return d;
}

// -- queues

static void desired_dequeue(struct desired_set *set, struct desired *d)
{
	if (d->queue_no == DESIRED_IDLE)
		return;
	TAILQ_REMOVE(desired_queue(set, d->type, d->queue_no), d, queue);
	d->queue_no = DESIRED_IDLE;
	set->queued_len[d->type->target]--;
}

static void desired_put(struct desired_set *set, struct desired *d, enum desired_queue_no no)
{
	desired_dequeue(set, d);
	d->queue_no = no;
	TAILQ_INSERT_TAIL(desired_queue(set, d->type, no), d, queue);
	set->queued_len[d->type->target]++;
}

bool desired_is_wanted(const struct desired *d)
{
	return !SLIST_EMPTY(&d->contributions) && !d->is_elsewhere;
}

void desired_enqueue(struct desired_set *set, struct desired *d)
{
	d->retried = false;
	desired_put(set, d, desired_is_wanted(d) ? DESIRED_SET : DESIRED_DEL);
}

static struct desired *queue_first(
	struct desired_set *set, enum desired_target target, size_t i, enum desired_queue_no no)
{
	if (desired_types[i].target != target)
		return NULL;
	return TAILQ_FIRST(desired_queue(set, &desired_types[i], no));
}

static struct desired *desired_first(struct desired_set *set, enum desired_target target)
{
	struct desired *d;

	for (size_t i = 0; i < desired_type_len; i++) {
		if ((d = queue_first(set, target, i, DESIRED_SET)))
			return d;
	}
	for (size_t i = desired_type_len; i-- > 0;) {
		if ((d = queue_first(set, target, i, DESIRED_DEL)))
			return d;
	}
	for (size_t i = 0; i < desired_type_len; i++) {
		if ((d = queue_first(set, target, i, DESIRED_RETRY)))
			return d;
	}
	return NULL;
}

struct desired *desired_next(struct desired_set *set, enum desired_target target)
{
	struct desired *d = set->queued_len[target] ? desired_first(set, target) : NULL;

	if (!d)
		return NULL;
	desired_dequeue(set, d);
	d->in_flight++;
	d->present = true; // as far as a later deletion is concerned
	set->in_flight_len[target]++;
	return d;
}

// -- answers

static void desired_drop(struct desired_set *set, struct desired *d)
{
	desired_dequeue(set, d);
	map_del(desired_map(set, d->type), d->key, d->type->key_size);
	if (d->status)
		set->refused_len--;
	desired_free(d);
}

static void desired_set_status(
	struct desired_set *set, struct desired *d, int status, const char *text)
{
	bool same = d->status == status && (!status || (d->text && !strcmp(d->text, text)));

	if (same)
		return;
	set->refused_len += (size_t)(status != 0) - (size_t)(d->status != 0);
	d->status = status;
	free(d->text);
	d->text = status ? xstrdup(text) : NULL;
	if (set->on_status)
		set->on_status(set->ctx, d);
}

void desired_answered(struct desired_set *set, struct desired *d, int status, const char *text)
{
	bool wanted = desired_is_wanted(d);

	d->is_outdated = false;
	d->in_flight--;
	set->in_flight_len[d->type->target]--;
	if (d->in_flight || d->queue_no != DESIRED_IDLE)
		return; // a newer word is on its way
	if (!wanted && status >= 0) {
		d->present = false;
		if (SLIST_EMPTY(&d->contributions))
			desired_drop(set, d);
		return;
	}
	if (status < 0 && !d->retried) {
		d->retried = true;
		desired_put(set, d, DESIRED_RETRY);
		return;
	}
	desired_set_status(set, d, status, text);
}

void desired_retry_refused(struct desired_set *set)
{
	for (size_t i = 0; i < desired_type_len && set->refused_len; i++) {
		struct desired *d;
		size_t at = 0;

		while ((d = map_next(&set->maps[i], &at))) {
			if (d->status && d->queue_no == DESIRED_IDLE && !d->in_flight)
				desired_put(set, d, DESIRED_RETRY);
		}
	}
}

// -- contributions

void contribution_add(struct contribution_list *list, const struct desired_type *type,
	const void *object, size_t size)
{
	struct contribution *c = xcalloc(1, sizeof(*c) + size);

	// Until desired_commit() the type stands where the desired object will.
	c->owner = (void *)type;
	c->size = (uint32_t)size;
	memcpy(c->object, object, size);
	SLIST_INSERT_HEAD(&list->head, c, of_owner);
	list->len++;
}

void contribution_list_free(struct contribution_list *list)
{
	struct contribution *c;

	while ((c = SLIST_FIRST(&list->head))) {
		SLIST_REMOVE_HEAD(&list->head, of_owner);
		free(c);
	}
	list->len = 0;
}

static bool is_elsewhere(const struct desired_set *set, const struct desired *d)
{
	uint16_t slot;

	if (!d->type->slot_offset || !set->is_held || !d->value_size)
		return false;
	memcpy(&slot, d->value + d->type->slot_offset, sizeof(slot));
	return !set->is_held(set->ctx, slot);
}

// Whether the value is another than before.
static bool desired_revalue(struct desired_set *set, struct desired *d)
{
	uint8_t object[DESIRED_OBJECT_MAX] __attribute__((aligned(8)));
	const struct contribution *first = SLIST_FIRST(&d->contributions);
	const uint8_t *value = first ? first->object : NULL;
	size_t size = first ? first->size : 0;

	if (first && d->type->merge) {
		size = d->type->merge(set, d, object);
		value = object;
	}
	if (first && size == d->value_size && !memcmp(value, d->value, size))
		return false;
	if (size) {
		d->value = xrealloc(d->value, size);
		memcpy(d->value, value, size);
	}
	d->value_size = (uint32_t)size;
	return true;
}

void desired_touch(struct desired_set *set, struct desired *d)
{
	bool elsewhere, changed, moved;

	set->touched++;
	changed = desired_revalue(set, d);
	elsewhere = is_elsewhere(set, d);
	changed |= elsewhere != d->is_elsewhere;
	if (elsewhere != d->is_elsewhere)
		d->has_come = !elsewhere && d->value_size;
	d->is_elsewhere = elsewhere;
	if (!changed)
		return;
	moved = desired_is_wanted(d) != d->was_wanted;
	d->was_wanted = desired_is_wanted(d);
	if (set->on_value)
		set->on_value(set->ctx, d, moved);
	if (desired_is_wanted(d) || d->present)
		desired_enqueue(set, d);
	else if (SLIST_EMPTY(&d->contributions))
		desired_drop(set, d);
	else
		desired_dequeue(set, d);
}

void desired_slots_changed(struct desired_set *set)
{
	for (size_t i = 0; i < desired_type_len; i++) {
		struct desired *d;
		size_t at = 0;

		while (desired_types[i].slot_offset && (d = map_next(&set->maps[i], &at))) {
			if (is_elsewhere(set, d) != d->is_elsewhere)
				desired_touch(set, d);
		}
	}
}

static struct contribution *contribution_same(
	const struct desired *d, const void *owner, const struct contribution *like)
{
	struct contribution *c;

	SLIST_FOREACH (c, &d->contributions, of_desired) {
		if (c->owner == owner && c->size == like->size &&
			!memcmp(c->object, like->object, c->size))
			return c;
	}
	return NULL;
}

static void contribution_link(
	struct desired_set *set, void *owner, struct contributions *mine, struct contribution *c)
{
	struct desired *d = desired_make(set, c->owner, c->object);
	struct contribution *old = contribution_same(d, owner, c);

	if (old) {
		old->keep = true;
		free(c);
		return;
	}
	c->owner = owner;
	c->desired = d;
	c->keep = true;
	SLIST_INSERT_HEAD(&d->contributions, c, of_desired);
	SLIST_INSERT_HEAD(mine, c, of_owner);
	desired_touch(set, d);
}

void desired_commit(struct desired_set *set, void *owner, struct contributions *mine,
	struct contribution_list *list)
{
	struct contributions kept = SLIST_HEAD_INITIALIZER(kept);
	struct contribution *c;

	SLIST_FOREACH (c, mine, of_owner)
		c->keep = false;
	while ((c = SLIST_FIRST(&list->head))) {
		SLIST_REMOVE_HEAD(&list->head, of_owner);
		contribution_link(set, owner, mine, c);
	}
	list->len = 0;
	while ((c = SLIST_FIRST(mine))) {
		SLIST_REMOVE_HEAD(mine, of_owner);
		if (c->keep) {
			SLIST_INSERT_HEAD(&kept, c, of_owner);
			continue;
		}
		SLIST_REMOVE(&c->desired->contributions, c, contribution, of_desired);
		desired_touch(set, c->desired);
		free(c);
	}
	*mine = kept;
}

// -- learning what a target has

void desired_forget_target(struct desired_set *set, enum desired_target target)
{
	for (size_t i = 0; i < desired_type_len; i++) {
		struct desired *d;
		size_t at = 0;

		if (desired_types[i].target != target)
			continue;
		while ((d = map_next(&set->maps[i], &at))) {
			desired_dequeue(set, d);
			d->in_flight = 0;
			d->present = false;
			d->retried = false;
			if (SLIST_EMPTY(&d->contributions))
				desired_drop(set, d);
		}
	}
	set->in_flight_len[target] = 0;
}

// Sizes may differ by what a release appended; zero there means absence.
static bool objects_equal(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
	const uint8_t *longer = a_size > b_size ? a : b;
	size_t common = a_size < b_size ? a_size : b_size;
	size_t end = a_size > b_size ? a_size : b_size;

	if (memcmp(a, b, common))
		return false;
	for (size_t i = common; i < end; i++) {
		if (longer[i])
			return false;
	}
	return true;
}

void desired_found(
	struct desired_set *set, const struct desired_type *type, const void *object, size_t size)
{
	struct desired *d;

	if (size < type->key_size || (type->foreign && type->foreign(object)))
		return;
	d = desired_make(set, type, object);
	d->present = true;
	if (!desired_is_wanted(d)) {
		desired_enqueue(set, d);
	} else if (!d->is_outdated &&
		   (type->is_by_key || objects_equal(d->value, d->value_size, object, size))) {
		desired_set_status(set, d, 0, "");
	} else {
		desired_enqueue(set, d);
	}
}

void desired_dumped(struct desired_set *set, const struct desired_type *type)
{
	struct desired *d;
	size_t at = 0;

	while ((d = map_next(desired_map(set, type), &at))) {
		if (!d->present && desired_is_wanted(d))
			desired_enqueue(set, d);
	}
}

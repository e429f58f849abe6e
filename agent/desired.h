// SPDX-License-Identifier: Apache-2.0
#pragma once

// What each daemon of this gateway should hold, and the difference to what it holds.
//
// A southbound object (its *owner*) contributes local objects: api structs, each starting with its
// key. Contributions with equal (type, key) make one *desired* object; routes of several owners
// merge into one with several paths. A change recomputes only the desired objects it touches;
// those that came out different are queued, and the target (target.h) sends the queue: settings
// from the bottom of the dependencies up, then deletions from the top down (so that a route has its
// new connection before it loses the old one), then once more what was refused, since a deletion
// may have made room for it.
//
// What speaks for a slot (BGP, IKE) is wanted only while the slot is held here: the set asks, and
// desired_slot_changed() tells it to ask again.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "map.h"

// The kernel stands for what service.h makes there.
enum desired_target {
	DESIRED_FORWARDER,
	DESIRED_BGP,
	DESIRED_IKE,
	DESIRED_KERNEL,
	DESIRED_TARGETS
};

struct desired;
struct desired_set;

struct desired_type {
	uint16_t type;        // enum api_type
	uint8_t target;       // enum desired_target
	bool is_blind;        // the target cannot be asked for them: it is told them all each time
	bool is_by_key;       // one that is there is right: the rest is added when it is sent
	uint16_t slot_offset; // of the uint16_t slot that must be held here; 0: none
	uint32_t size;        // of the struct
	uint32_t key_size;
	const char *name;
	// Makes one of the contributions; NULL: they are equal, the first is taken. Writes at most
	// `size` bytes and returns how many.
	size_t (*merge)(
		const struct desired_set *set, const struct desired *d, uint8_t *ret_object);
	// Objects of the target that are not the agent's business. May be NULL.
	bool (*foreign)(const void *object);
};

// In dependency order: what comes later refers to what comes before.
extern const struct desired_type desired_types[];
extern const size_t desired_type_len;
const struct desired_type *desired_type_find(uint16_t type);

// A list of contributions; belongs to one owner, which desired.c never looks into.
struct contribution {
	SLIST_ENTRY(contribution) of_owner;
	SLIST_ENTRY(contribution) of_desired;
	void *owner;
	struct desired *desired;
	uint32_t size;
	bool keep;
	uint8_t object[] __attribute__((aligned(8)));
};

SLIST_HEAD(contributions, contribution);

struct desired {
	TAILQ_ENTRY(desired) queue;
	const struct desired_type *type;
	struct contributions contributions; // none: to be deleted
	uint8_t *value;
	uint32_t value_size;
	uint8_t queue_no;   // enum desired_queue_no
	bool present;       // the target has it, in this or another form
	bool was_wanted;    // when its value was made
	bool is_elsewhere;  // its slot is not held here
	bool has_come;      // its slot was not held here and is now
	bool is_outdated;   // what the target has under this key is not what is meant now
	bool retried;       // a second refusal is final
	uint32_t in_flight; // requests not answered yet
	int status;         // 0, or why the target refused it
	char *text;         // the target's words, or NULL
	uint8_t key[] __attribute__((aligned(8)));
};

TAILQ_HEAD(desired_queue, desired);

enum desired_queue_no {
	DESIRED_IDLE,
	DESIRED_SET,
	DESIRED_DEL,
	DESIRED_RETRY,
	DESIRED_QUEUES,
};

struct desired_set {
	struct map *maps;             // one a type, by key
	struct desired_queue *queues; // DESIRED_QUEUES a type
	size_t queued_len[DESIRED_TARGETS];
	size_t in_flight_len[DESIRED_TARGETS];
	size_t refused_len;
	uint64_t touched; // desired objects recomputed since the start
	// The status of d changed: from refused to accepted or the reverse, or in its words.
	void (*on_status)(void *ctx, const struct desired *d);
	// d has another value, or none; moved: it is wanted and was not, or the reverse. May be
	// NULL.
	void (*on_value)(void *ctx, const struct desired *d, bool moved);
	bool (*is_held)(void *ctx, uint16_t slot);        // NULL: all slots are
	bool (*is_conn_usable)(void *ctx, uint32_t conn); // up; NULL: all are
	void *ctx;
};

// Somebody wants it, and here.
bool desired_is_wanted(const struct desired *d);

void desired_init(struct desired_set *set);
void desired_fini(struct desired_set *set);

// What an owner is going to contribute; see desired_commit().
struct contribution_list {
	struct contributions head;
	size_t len;
	char warning[512]; // what is obeyed but unwise, in words; "" if nothing
	char refusal[256]; // what is understood and not done, in words: an error; "" if nothing
};
// Copies the object, which starts with its key. Several of one key are merged like those of several
// owners.
void contribution_add(struct contribution_list *list, const struct desired_type *type,
	const void *object, size_t size);
void contribution_list_free(struct contribution_list *list);

// Replaces what owner contributed (*mine) by the list, which is emptied.
void desired_commit(struct desired_set *set, void *owner, struct contributions *mine,
	struct contribution_list *list);

struct desired *desired_find(
	const struct desired_set *set, const struct desired_type *type, const void *key);
// Queues d to be set, or deleted if nobody wants it.
void desired_enqueue(struct desired_set *set, struct desired *d);
// Brings d up to date when something else that its merge reads has changed.
void desired_touch(struct desired_set *set, struct desired *d);
// Slots have come or gone: what speaks for them is told or taken back.
void desired_slots_changed(struct desired_set *set);
// Queues everything that was refused once more.
void desired_retry_refused(struct desired_set *set);

// The next to be sent to the target, NULL: none. Every one is answered by desired_answered().
struct desired *desired_next(struct desired_set *set, enum desired_target target);
// May free d.
void desired_answered(struct desired_set *set, struct desired *d, int status, const char *text);

// The target has to be learnt anew: nothing is in flight, nothing is known to be there.
void desired_forget_target(struct desired_set *set, enum desired_target target);
// The target has this object. What differs is queued; what nobody wants is queued for deletion.
void desired_found(
	struct desired_set *set, const struct desired_type *type, const void *object, size_t size);
// The target's dump of this type is complete: what it lacks is queued.
void desired_dumped(struct desired_set *set, const struct desired_type *type);

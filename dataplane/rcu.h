// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tables that workers read while the control thread replaces them.
//
// One writer: the control thread. It builds the new thing, publishes it with rcu_store() and hands
// the old one to rcu_defer(), which frees it once every worker has completed a loop since. Workers
// read with rcu_load() and may keep the pointer until their node returns, never across loops.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RCU_READERS_MAX 64

#define rcu_load(pointer_address)         __atomic_load_n(pointer_address, __ATOMIC_ACQUIRE)
#define rcu_store(pointer_address, value) __atomic_store_n(pointer_address, value, __ATOMIC_RELEASE)

// Control thread, once per process. 0 or -ENOMEM.
int rcu_init(void);
void rcu_fini(void); // frees what still waits; no reader may be online

// A reader is offline until it says otherwise; an offline reader delays nobody and reads nothing.
void rcu_reader_online(unsigned reader);
void rcu_reader_offline(unsigned reader);
void rcu_reader_quiescent(unsigned reader); // between loops; a few cycles

// Control thread: calls free_fn(p) when no reader can still hold p. free_fn runs in the control
// thread, from rcu_reclaim() or a later rcu_defer().
void rcu_defer(void (*free_fn)(void *p), void *p);
size_t rcu_reclaim(void);   // frees what it may now; returns how many still wait
void rcu_synchronize(void); // waits for all readers, then frees all; rare changes only

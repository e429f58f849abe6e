// SPDX-License-Identifier: Apache-2.0

// Who may send and accept on one ESP SA while its slot changes holder: the rules of slots, epochs,
// reservations, nonces, fencing and moves, as small as they go, so that SPIN can try every order of
// events. Two gateways (0 and 1), one SA with its key, one controller.
//
// Checked in every reachable state:
//   1. no nonce is used twice under the key;
//   2. no sequence number is sent twice, whether by two gateways or by one;
//   3. a packet is accepted a second time only if it came after the last replay-top record that
//      survived an unplanned take-over or a restart, and then once for each of those.
//
// What may happen at any moment: a holder sends; its reservation grows, reaches the copy, is
// acknowledged; its replay top is recorded; its stream to the copy breaks and comes back; it stands
// still for longer than a detection time and runs on; it dies; its forwarder restarts; the slot is
// moved by plan; the other gateway takes over. Messages may be late for ever.
//
// Assumed: a gateway that is cut off from every watcher, but runs, is cut off from the sites too
// (its packets reach nobody); clocks: the times of 1 s, 2 s and detection keep their order.
//
// Sending (-DSEND) and receiving (without) share the events, not the state, and are tried apart.
//
// -DNO_EPOCH, -DNO_FENCE, -DNO_RESERVATION, -DNO_TOP each take one rule out; SPIN must then find a
// way to break 1, 2, 2 and 3.

#define NUMBERS 6 // sequence numbers 1..NUMBERS-1 exist
#ifdef SEND
#define EPOCHS 5 // values of the installation's counter
#else
#define EPOCHS 4
#endif
#define PACKETS 2 // a peer's packets 0..PACKETS-1
#define STEP    2 // what a reservation grows by

byte counter = 1;    // the installation's counter
byte slot_epoch = 1; // highest epoch granted for the slot
byte slot_holder = 0;

bool holds[2];
bool dead[2];
bool stalled[2];
bool unsure[2];    // has stood still: may not send or accept until its epoch is confirmed
byte my_epoch[2];
byte iv_epoch[2];
byte nonce[2];     // counter part
byte seq[2];       // last sent
byte granted[2];   // by the installer, who survives the forwarder: never sent past
byte acked[2];     // acknowledged by the copy: not sent past while there is one
bool alone[2];     // has had no copy for 2 s: sends freely
byte top[2];       // highest packet accepted + 1
byte seen[2];      // bitmap of packets that will not be accepted
byte kept_top[2];  // reported to the installer

// The warm copy in the other gateway.
bool stream = true;      // holder to copy
bool stream_at_loss;     // was it alive when the holder fell silent
byte copy_reserved;      // record received
byte copy_seq;           // plain report of the last number sent, as good as its last arrival
byte copy_top;
bool ended = false;      // the SA was re-initiated: it is no more

bool used_nonce[EPOCHS * NUMBERS];
bool sent[NUMBERS];
byte accepted[PACKETS];
byte excused[PACKETS];

#ifdef NO_EPOCH
#define NONCE(n) (nonce[n])
#else
#define NONCE(n) (iv_epoch[n] * NUMBERS + nonce[n])
#endif

#ifdef NO_FENCE
#define FENCED(n) (false)
#else
#define FENCED(n) (unsure[n])
#endif

#ifdef NO_RESERVATION
#define MAY_SEND(n) (true)
#else
#define MAY_SEND(n) (seq[n] < granted[n] && (seq[n] < acked[n] || alone[n]))
#endif

#define RUNS(n) (holds[n] && !dead[n] && !stalled[n] && !FENCED(n) && !ended)

inline mask_below(n, limit)
{
	seen[n] = 0;
	i = 0;
	do
	:: i < PACKETS && i < limit -> seen[n] = seen[n] | (1 << i); i++
	:: else -> break
	od;
}

// Everything above the surviving record may be accepted once more.
inline excuse_from(limit)
{
	i = 0;
	do
	:: i < PACKETS -> if :: i >= limit -> excused[i]++ :: else fi; i++
	:: else -> break
	od;
}

inline send(n)
{
	seq[n]++;
	nonce[n]++;
	assert(!used_nonce[NONCE(n)]);
	used_nonce[NONCE(n)] = true;
	assert(!sent[seq[n]]);
	sent[seq[n]] = true;
}

inline accept(n, p)
{
	seen[n] = seen[n] | (1 << p);
	accepted[p]++;
	assert(accepted[p] <= 1 + excused[p]);
	if :: top[n] < p + 1 -> top[n] = p + 1 :: else fi;
}

inline activate(n)
{
	holds[n] = true;
	my_epoch[n] = slot_epoch;
	slot_holder = n;
	iv_epoch[n] = counter;
	nonce[n] = 0;
	alone[n] = false;
	unsure[n] = false;
}

inline restart(n)
{
	counter++;
	iv_epoch[n] = counter;
	nonce[n] = 0;
	alone[n] = false;
	top[n] = kept_top[n];
#ifdef NO_RESERVATION
	seq[n] = copy_seq;
#else
	seq[n] = granted[n];
#endif
#ifdef NO_TOP
	seen[n] = 0;
#else
	mask_below(n, kept_top[n]);
	excuse_from(kept_top[n]);
#endif
}

// From the copy, the holder being silent.
inline take_over(m)
{
	counter++;
	slot_epoch = counter;
	if
	:: !stream_at_loss -> ended = true // too old a copy: the SA is keyed anew
	:: else ->
		activate(m);
#ifdef NO_RESERVATION
		seq[m] = copy_seq;
#else
		seq[m] = copy_reserved;
#endif
		granted[m] = copy_reserved;
		acked[m] = copy_reserved;
		top[m] = copy_top;
		kept_top[m] = copy_top;
#ifdef NO_TOP
		seen[m] = 0;
#else
		mask_below(m, copy_top);
		excuse_from(copy_top);
#endif
		stream = true // the other is the copy now, once it is back
	fi
}

// Planned: the old holder learns of the epoch, stops, passes exact counters, and only relays.
inline move(n, m)
{
	counter++;
	slot_epoch = counter;
	holds[n] = false;
	activate(m);
	seq[m] = seq[n];
	granted[m] = granted[n];
	acked[m] = seq[n];
	copy_reserved = seq[n];
	copy_seq = seq[n];
	top[m] = top[n];
	kept_top[m] = top[n];
	copy_top = top[n];
	seen[m] = seen[n];
	stream = true
}

#define OTHER(n) (1 - (n))

inline events(n)
{
	if
#ifdef SEND
	// sending and its reservation
	:: RUNS(n) && MAY_SEND(n) && seq[n] < NUMBERS - 1 && nonce[n] < NUMBERS - 1 -> send(n)
	:: RUNS(n) && granted[n] + STEP < NUMBERS -> granted[n] = granted[n] + STEP
	:: RUNS(n) && stream && !dead[OTHER(n)] && copy_reserved < granted[n] ->
		copy_reserved = granted[n]
	:: RUNS(n) && stream && acked[n] < copy_reserved -> acked[n] = copy_reserved
	:: RUNS(n) && stream && copy_seq != seq[n] -> copy_seq = seq[n]
#else
	// receiving: any packet, at any time, again and again
	:: RUNS(n) && !(seen[n] & 1) -> accept(n, 0)
	:: RUNS(n) && !(seen[n] & 2) -> accept(n, 1)
	:: RUNS(n) && stream && copy_top < top[n] -> copy_top = top[n]
	:: RUNS(n) && kept_top[n] < top[n] -> kept_top[n] = top[n]
#endif
	// the stream breaks while both run; 2 s later the holder sends freely. A new copy counts
	// from its first acknowledged reservation.
	:: RUNS(n) && stream -> stream = false
	:: RUNS(n) && !stream && !alone[n] -> alone[n] = true
	:: RUNS(n) && !stream && copy_reserved <= granted[n] ->
		copy_reserved = granted[n];
		acked[n] = granted[n];
		copy_seq = seq[n];
		copy_top = top[n];
		alone[n] = false;
		stream = true
	// standing still longer than a detection time, and running on
	:: holds[n] && !dead[n] && !stalled[n] && !unsure[n] && slot_holder == n ->
		stalled[n] = true;
		stream_at_loss = stream && !alone[n]
	:: stalled[n] && !dead[n] ->
		stalled[n] = false;
		unsure[n] = true
	:: unsure[n] && !stalled[n] && !dead[n] -> // asks; who learns of a higher epoch stops
		if
		:: slot_epoch > my_epoch[n] -> holds[n] = false
		:: else
		fi;
		unsure[n] = false
#ifdef NO_FENCE
	// runs on with its reservation, misses its copy, and 2 s later sends freely
	:: unsure[n] && !alone[n] && slot_epoch > my_epoch[n] -> alone[n] = true
	:: unsure[n] && RUNS(n) && granted[n] + STEP < NUMBERS && slot_epoch > my_epoch[n] ->
		granted[n] = granted[n] + STEP
#endif
	:: holds[n] && !dead[n] && !stalled[n] && slot_holder == n ->
		dead[n] = true;
		stream_at_loss = stream && !alone[n]
	:: RUNS(n) && counter < EPOCHS - 1 -> restart(n)
	// moves
	:: RUNS(n) && slot_holder == n && !holds[OTHER(n)] && !dead[OTHER(n)] &&
		!stalled[OTHER(n)] && counter < EPOCHS - 1 -> move(n, OTHER(n))
	:: slot_holder == n && (stalled[n] || dead[n]) && !dead[OTHER(n)] && !holds[OTHER(n)] &&
		!stalled[OTHER(n)] && !ended && counter < EPOCHS - 1 -> take_over(OTHER(n))
	fi
}

active proctype gateways()
{
	byte i;

	d_step {
		activate(0);
		granted[0] = STEP;
	}
end:
	do
	:: atomic { events(0) }
	:: atomic { events(1) }
	od
}

/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The queue of kit/core/queue.h between a client and a driver, each of which may die at any step.
 *
 * Every access to shared memory is a step of its own, in the order that the code gives it. The
 * client has more requests than slots, so that both sides sleep and wake. A driver that died is
 * started again with an empty queue and a new epoch, and the client submits again what was in
 * flight. A driver may also lie: repeat a completion.
 *
 *   no wakeup is lost      no state in which nobody can go on, but those marked `end`
 *   none counts twice      the assertions in completion_take
 *   none of an old epoch   likewise
 *   all are completed      the assertion at the client's end
 *
 * With -DRELAXED the store and the load that kit/core/queue.h separates by a full fence may change
 * places, as a processor's do with less than that: then wakeups must be lost. With -DBELIEVING the
 * client looks at nothing but the slot: then lies must count.
 */
#ifndef REQUESTS
#define REQUESTS 3
#endif
#define SLOTS 2
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef LIES
#define LIES 0
#endif

typedef submission { byte slot; byte generation };
typedef completion { byte slot; byte generation; byte epoch };

/* Written by one side only, as in interface/queue.h. */
byte submitted, completed;                 /* struct queue_side, published */
bool client_asleep, driver_asleep;         /* struct queue_side, asleep */
submission submissions[SLOTS];
completion completions[SLOTS];

/* A wakeup is a message to a port with room for one: more are dropped. */
chan wake_client = [1] of { bit };
chan wake_driver = [1] of { bit };
chan death = [1] of { bit };               /* the kernel's word that the driver is dead */

bool running = true, killed, client_dead, client_done;
byte deaths, epoch;
byte served[SLOTS]; /* nobody's to read but the assertion's: what the driver has done for each slot */

#ifdef BELIEVING
#define believable(i) true
#else
#define believable(i) (completions[i].generation == generation[slot] && completions[i].epoch == epoch)
#endif

inline wake(who) { atomic { if :: full(who) :: nfull(who) -> who!1 fi } }

/* Publish, fence, look whether the other side sleeps. */
inline publish(published, count, other_asleep, waker, seen) {
#ifdef RELAXED
    if
    :: seen = other_asleep; published = count
    :: published = count; seen = other_asleep
    fi;
#else
    published = count;
    seen = other_asleep;
#endif
    if :: seen -> wake(waker) :: else fi
}

/* Say that we sleep, fence, look whether something came. */
inline sleep(own_asleep, published, taken, waker, seen_count) {
#ifdef RELAXED
    if
    :: seen_count = published; own_asleep = true
    :: own_asleep = true; seen_count = published
    fi;
#else
    own_asleep = true;
    seen_count = published;
#endif
    if
    :: seen_count == taken -> if :: waker?_ :: nempty(death) fi
    :: else
    fi;
    own_asleep = false
}

proctype driver() {
    byte taken, put, count, last_slot, last_generation, lies;
    bool seen;

again:
    { do
      :: submitted != taken ->
         last_slot = submissions[taken % SLOTS].slot;
         last_generation = submissions[taken % SLOTS].generation;
         served[last_slot] = last_generation;
         taken++;
         completions[put % SLOTS].slot = last_slot;
         completions[put % SLOTS].generation = last_generation;
         completions[put % SLOTS].epoch = epoch;
         put++;
         publish(completed, put, client_asleep, wake_client, seen)
      :: lies < LIES && put > 0 && !client_done ->
         lies++; /* the last answer once more: its slot may have been used again */
         completions[put % SLOTS].slot = last_slot;
         completions[put % SLOTS].generation = last_generation;
         completions[put % SLOTS].epoch = epoch;
         put++;
         publish(completed, put, client_asleep, wake_client, seen)
      :: submitted == taken && !client_dead ->
         sleep(driver_asleep, submitted, taken, wake_driver, count)
      :: client_dead -> goto ended
      od
    } unless { killed };
    running = false;
    death!1;
end_dead: /* whom nobody is left to start again */
    !killed;
    running = true;
    taken = 0; put = 0; last_slot = 0; last_generation = 0;
    goto again;
ended:
    skip
}

proctype client() {
    byte next, taken, put, count, slot, i;
    bool seen, in_flight[SLOTS];
    byte generation[SLOTS], request[SLOTS], counted[REQUESTS];

#define slot_free(s) (!in_flight[s])
#define submit(s) \
    generation[s]++; \
    submissions[put % SLOTS].slot = s; \
    submissions[put % SLOTS].generation = generation[s]; \
    put++

    { do
      :: next < REQUESTS && (slot_free(0) || slot_free(1)) ->
         slot = (slot_free(0) -> 0 : 1);
         in_flight[slot] = true;
         request[slot] = next;
         next++;
         submit(slot);
         publish(submitted, put, driver_asleep, wake_driver, seen)
      :: completed != taken ->
         i = taken % SLOTS;
         slot = completions[i].slot;
         if
         :: in_flight[slot] && believable(i) ->
            counted[request[slot]]++;
            assert(counted[request[slot]] == 1 && served[slot] == generation[slot]);
            in_flight[slot] = false
         :: else /* not believed */
         fi;
         taken++
      :: next == REQUESTS && slot_free(0) && slot_free(1) -> break
      :: nempty(death) -> d_step {
            /* Take the device back, start the driver with fresh memory, submit again. */
            death?_;
            epoch++;
            submitted = 0; completed = 0; taken = 0; put = 0;
            client_asleep = false; driver_asleep = false;
            do :: wake_client?[_] -> wake_client?_ :: else -> break od;
            do :: wake_driver?[_] -> wake_driver?_ :: else -> break od;
            for (i : 0 .. SLOTS - 1) {
                if :: in_flight[i] -> submit(i) :: else fi
            }
            submitted = put;
            killed = false
         }
      :: completed == taken && (!slot_free(0) || !slot_free(1)) &&
         (next == REQUESTS || (!slot_free(0) && !slot_free(1))) ->
         sleep(client_asleep, completed, taken, wake_client, count)
      od;
      for (i : 0 .. REQUESTS - 1) {
          assert(counted[i] == 1)
      }
    } unless { client_dead };
    client_done = true;
    client_dead = true; /* its session ends */
    wake(wake_driver)
}

/* Kills the driver, and for good the client, whenever it likes, or nobody. */
proctype reaper() {
end:
    do
    :: deaths < DEATHS && running && !killed && !client_done ->
       atomic { deaths++; killed = true }
#ifdef CLIENT_MAY_DIE
    :: !client_dead -> atomic { client_dead = true; wake(wake_driver); break }
#endif
    :: break
    od
}

init { atomic { run driver(); run client(); run reaper() } }

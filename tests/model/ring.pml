/* Sleep, wake, revoke and death on one ring, with the store buffers of x86 (total store order).
 *
 * The explorer in tests/unit/ring runs the code itself; this is what the code is meant to do, small
 * enough to go through with both sides' processes, the kernel and a death at any moment. ring_test.py
 * runs it through Spin, as it is and with each of the bugs that -D plants, which must be found.
 *
 * Each word has one writer. A store goes into its writer's buffer, from where it gets into memory at
 * any later time, in order; a seq_cst store waits until the buffer is empty. A load is from memory:
 * nobody loads his own words.
 *
 * What must hold:
 * - nobody sleeps for ever: a state in which nothing goes on, and not all have ended, is an error;
 * - a death is noticed, and what the dead had published is read (or it was read before);
 * - after a revocation every byte has been read from the ring or sent again on the socket, once.
 */
#define PRODUCER 0
#define CONSUMER 1
#define BYTES 3
#define CAPACITY 2

/* Words in shared memory. The lowest bits of a sleep word are flags, the rest counts the sleeps. */
#define PRODUCED 0
#define PRODUCER_SLEEP 1
#define CONSUMED 2
#define CONSUMER_SLEEP 3
#define SLEEPS 1
#define REVOKED 2
#define STEP 4

byte memory[4];
chan buffer[2] = [3] of {byte, byte}; /* word, value */

bool rung[2];        /* the doorbells */
bool kill_now[2];
bool is_over[2];     /* it has nothing more to do, or was killed; its stores are in memory */
bool is_killed[2];   /* and its socket is closed */
chan socket_position = [1] of {byte}; /* how far the revoker has read, as it says on the socket */
byte delivered[BYTES];

inline store(me, word, value) { buffer[me]!word, value }
inline store_seq_cst(me, word, value) {
  buffer[me]!word, value;
  empty(buffer[me])
}

/* Where a planted bug takes the order away. */
inline publish_store(value) {
#ifdef PUBLISHES_RELEASE
  store(PRODUCER, PRODUCED, value)
#else
  store_seq_cst(PRODUCER, PRODUCED, value)
#endif
}
inline release_store(value) {
#ifdef RELEASES_RELEASE
  store(CONSUMER, CONSUMED, value)
#else
  store_seq_cst(CONSUMER, CONSUMED, value)
#endif
}
inline sleep_store(me, word, value) {
#ifdef SLEEPS_RELEASE
  store(me, word, value)
#else
  store_seq_cst(me, word, value)
#endif
}

/* Once for each time that the other falls asleep. */
inline ring_if_asleep(word, other, rung_for) {
  seen = memory[word];
  if
  :: (seen & SLEEPS) && seen != rung_for ->
     d_step { rung_for = seen; seen = 0; rung[other] = true }
  :: else -> seen = 0
  fi
}

/* Until its doorbell is rung, or the socket says that the other side is dead. */
inline wait(me, other) {
#ifdef DOES_NOT_WATCH_THE_SOCKET
  rung[me];
#else
  rung[me] || is_killed[other];
#endif
  rung[me] = false
}

proctype StoreBuffer(byte me) {
  byte word, value;
end:
  do
  :: d_step { buffer[me]?word, value -> memory[word] = value }
  od
}

proctype Producer() {
  byte written = 0, peer_consumed = 0, sleep_word = 0, rung_for = 0, seen = 0, final = 0;
  {
    do
    :: written == BYTES -> goto all_is_sent
    :: written < BYTES ->
       peer_consumed = memory[CONSUMED];
       if
       :: written - peer_consumed < CAPACITY ->
          d_step { written++; peer_consumed = 0 }
#ifdef LOOKS_BEFORE_IT_PUBLISHES
          ring_if_asleep(CONSUMER_SLEEP, CONSUMER, rung_for);
          publish_store(written)
#else
          publish_store(written);
          ring_if_asleep(CONSUMER_SLEEP, CONSUMER, rung_for)
#endif
       :: else ->
          sleep_word = sleep_word + STEP;
          sleep_store(PRODUCER, PRODUCER_SLEEP, sleep_word | SLEEPS);
          if
          :: !(memory[CONSUMER_SLEEP] & REVOKED) ->
             if
             :: memory[CONSUMED] == peer_consumed -> wait(PRODUCER, CONSUMER)
             :: else
             fi
          :: else
          fi;
          store(PRODUCER, PRODUCER_SLEEP, sleep_word)
       fi;
       /* Behind each publication, and each sleep. */
       if
#ifndef DOES_NOT_LOOK_FOR_A_REVOCATION
       :: memory[CONSUMER_SLEEP] & REVOKED -> goto is_revoked
#endif
       :: !(memory[CONSUMER_SLEEP] & REVOKED) && is_killed[CONSUMER] -> goto ends_here
       :: else
       fi
    od;
is_revoked:
    if
    :: socket_position?final
    :: is_killed[CONSUMER] && empty(socket_position) -> goto ends_here
    fi;
    do
    :: final < BYTES ->
       delivered[final]++;
       final++
    :: else -> break
    od;
all_is_sent:
ends_here:
    skip
  } unless { kill_now[PRODUCER] -> empty(buffer[PRODUCER]); is_killed[PRODUCER] = true }
  empty(buffer[PRODUCER]);
  is_over[PRODUCER] = true
}

/* Takes one byte out, or says that there is none. */
inline read_one() {
  assert(consumed < peer_produced && peer_produced - consumed <= CAPACITY);
  d_step {
    delivered[consumed]++;
    consumed++
  }
  release_store(consumed);
  ring_if_asleep(PRODUCER_SLEEP, PRODUCER, rung_for)
}

proctype Consumer() {
  byte consumed = 0, peer_produced = 0, sleep_word = 0, rung_for = 0, seen = 0;
  {
    do
    :: consumed == BYTES -> goto ends_here
    :: consumed < BYTES ->
       if
       :: consumed < peer_produced -> read_one()
       :: else ->
          peer_produced = memory[PRODUCED];
          if
          :: consumed < peer_produced
          :: else ->
             sleep_word = sleep_word + STEP;
             sleep_store(CONSUMER, CONSUMER_SLEEP, sleep_word | SLEEPS);
#ifndef HAS_NO_SECOND_LOOK
             peer_produced = memory[PRODUCED];
#endif
             if
             :: consumed == peer_produced -> wait(CONSUMER, PRODUCER)
             :: else
             fi;
             store(CONSUMER, CONSUMER_SLEEP, sleep_word);
             if
             :: is_killed[PRODUCER] -> goto reads_the_rest
             :: else
             fi
          fi
       fi
    :: goto revokes
    od;
revokes:
#ifdef LOOKS_BEFORE_IT_REVOKES
    peer_produced = memory[PRODUCED];
    store_seq_cst(CONSUMER, CONSUMER_SLEEP, sleep_word | REVOKED);
#else
#ifdef REVOKES_RELEASE
    store(CONSUMER, CONSUMER_SLEEP, sleep_word | REVOKED);
#else
    store_seq_cst(CONSUMER, CONSUMER_SLEEP, sleep_word | REVOKED);
#endif
    peer_produced = memory[PRODUCED];
#endif
    ring_if_asleep(PRODUCER_SLEEP, PRODUCER, rung_for);
    do
    :: consumed < peer_produced -> read_one()
    :: else -> break
    od;
    socket_position!consumed;
#ifdef READS_ON_AFTER_IT_REVOKED
    peer_produced = memory[PRODUCED];
    do
    :: consumed < peer_produced -> read_one()
    :: else -> break
    od;
#endif
    goto ends_here;
reads_the_rest:
#ifndef FORGETS_WHAT_THE_DEAD_PUBLISHED
    peer_produced = memory[PRODUCED];
#endif
    do
    :: consumed < peer_produced -> read_one()
    :: else -> break
    od;
ends_here:
    skip
  } unless { kill_now[CONSUMER] -> empty(buffer[CONSUMER]); is_killed[CONSUMER] = true }
  empty(buffer[CONSUMER]);
  is_over[CONSUMER] = true
}

/* One side dies at some moment, or none does. */
proctype Death() {
  if
  :: kill_now[PRODUCER] = true
  :: kill_now[CONSUMER] = true
  :: skip
  fi
}

init {
  byte i;
  atomic {
    run StoreBuffer(PRODUCER);
    run StoreBuffer(CONSUMER);
    run Producer();
    run Consumer();
    run Death()
  }
  is_over[PRODUCER] && is_over[CONSUMER];
  d_step {
    i = 0;
    do
    :: i < BYTES ->
       assert(delivered[i] <= 1);
       assert(delivered[i] == 1 || is_killed[PRODUCER] || is_killed[CONSUMER]);
       /* What the dead has published is not lost on a living consumer that has not revoked. */
       assert(delivered[i] == 1 || i >= memory[PRODUCED] || is_killed[CONSUMER] ||
              (memory[CONSUMER_SLEEP] & REVOKED));
       i++
    :: else -> break
    od
  }
}

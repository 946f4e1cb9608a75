#include "os/mutex.h"

#include "os/futex.h"

namespace tincan::os {

void Mutex::wait() {
  // Whoever has slept takes it as wanted, for others may still sleep: at worst somebody is woken
  // for nothing, and nobody sleeps on.
  while (word_.exchange(wanted, std::memory_order_acquire) != free) {
    futex_wait(word_, wanted, Moment::never());
  }
}

void Mutex::wake_one() { futex_wake(word_); }

}  // namespace tincan::os

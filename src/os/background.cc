#include "os/background.h"

#include <pthread.h>
#include <signal.h>

#include <memory>
#include <new>

#include "os/seam.h"

namespace tincan::os {

namespace {

/// A step needs a few hundred bytes, a sanitizer more. Chosen.
constexpr std::size_t stack_bytes = 256 * 1024;

struct StepApart {
  void (*run)(void*) noexcept;
  void* argument;
};

void* run_step(void* step) {
  const std::unique_ptr<StepApart> owned(static_cast<StepApart*>(step));
  owned->run(owned->argument);
  return nullptr;
}

int start_thread(StepApart* step) {
  pthread_attr_t attributes;
  if (const int error = ::pthread_attr_init(&attributes)) return error;
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  ::pthread_attr_setstacksize(&attributes, stack_bytes);
  // A thread begins with the signal mask of who starts it.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = ::pthread_create(&thread, &attributes, run_step, step);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_attr_destroy(&attributes);
  return error;
}

}  // namespace

Sys<void> run_apart(void (*step)(void*) noexcept, void* argument) {
  if (const int error = before(Call::clone)) return failed(error);
  std::unique_ptr<StepApart> owned(new (std::nothrow) StepApart{step, argument});
  if (!owned) return failed(ENOMEM);
  if (const int error = start_thread(owned.get())) return failed(error);
  [[maybe_unused]] const StepApart* const of_the_thread = owned.release();
  return {};
}

}  // namespace tincan::os

#include "os/poller.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <climits>

#include "os/clock.h"
#include "os/seam.h"

namespace tincan::os {

namespace {

timespec to_timespec(Nanoseconds wait) {
  return {.tv_sec = static_cast<time_t>(wait.count() / 1'000'000'000),
          .tv_nsec = static_cast<long>(wait.count() % 1'000'000'000)};
}

/// Milliseconds until `deadline` as epoll_wait(2) takes them, rounded up: waking a moment late is
/// within every promise, waking early would spin.
int milliseconds_until(Moment deadline) {
  if (deadline.is_never()) return -1;
  if (deadline == Moment()) return 0;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(deadline.since(now())).count();
  return static_cast<int>(std::min<std::int64_t>(wait, INT_MAX));
}

}  // namespace

Sys<int> wait_for(std::span<pollfd> descriptors, Moment deadline) {
  if (const int error = before(Call::poll)) return failed(error);
  while (true) {
    timespec wait;
    if (!deadline.is_never()) wait = to_timespec(deadline.since(now()));
    const int ready = ::ppoll(descriptors.data(), descriptors.size(),
                              deadline.is_never() ? nullptr : &wait, nullptr);
    if (ready >= 0) return ready;
    if (errno != EINTR) return failed();
  }
}

Sys<short> wait_for(int descriptor, short events, Moment deadline) {
  pollfd one{descriptor, events, 0};
  const auto ready = wait_for(std::span(&one, 1), deadline);
  if (!ready) return std::unexpected(ready.error());
  return *ready == 0 ? short{0} : one.revents;
}

Sys<Poller> Poller::create() {
  if (const int error = before(Call::epoll_create)) return failed(error);
  const int number = ::epoll_create1(EPOLL_CLOEXEC);
  if (number < 0) return failed();
  return Poller(Descriptor(number));
}

Sys<void> Poller::add(int descriptor, std::uint32_t events, void* tag) {
  if (const int error = before(Call::epoll_ctl)) return failed(error);
  epoll_event event{events, {.ptr = tag}};
  if (::epoll_ctl(fd(), EPOLL_CTL_ADD, descriptor, &event) < 0) return failed();
  return {};
}

Sys<void> Poller::change(int descriptor, std::uint32_t events, void* tag) {
  if (const int error = before(Call::epoll_ctl)) return failed(error);
  epoll_event event{events, {.ptr = tag}};
  if (::epoll_ctl(fd(), EPOLL_CTL_MOD, descriptor, &event) < 0) return failed();
  return {};
}

void Poller::remove(int descriptor) { ::epoll_ctl(fd(), EPOLL_CTL_DEL, descriptor, nullptr); }

Sys<std::span<epoll_event>> Poller::wait(std::span<epoll_event> events, Moment deadline) {
  if (const int error = before(Call::epoll_wait)) return failed(error);
  while (true) {
    const int ready = ::epoll_wait(fd(), events.data(), static_cast<int>(events.size()),
                                   milliseconds_until(deadline));
    if (ready >= 0) return events.first(static_cast<std::size_t>(ready));
    if (errno != EINTR) return failed();
  }
}

Sys<Bell> Bell::create() {
  if (const int error = before(Call::eventfd)) return failed(error);
  const int number = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (number < 0) return failed();
  return Bell(Descriptor(number));
}

void Bell::ring() const {
  const int saved = errno;  // a signal handler must leave errno as it was
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(fd(), &one, sizeof one);
  errno = saved;
}

void Bell::quiet() const {
  std::uint64_t count;
  [[maybe_unused]] const auto read = ::read(fd(), &count, sizeof count);
}

}  // namespace tincan::os

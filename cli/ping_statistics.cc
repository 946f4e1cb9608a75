#include "ping_statistics.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <time.h>

#include <cstdlib>

#include "durations.h"
#include "json.h"
#include "output.h"
#include "sizes.h"
#include "text.h"

namespace cli {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

nanoseconds own_cpu_time() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return std::chrono::seconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         std::chrono::microseconds(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/// Of the server's whole process, to the nanosecond; /proc would count in ticks of 10 ms.
std::optional<nanoseconds> cpu_time_of(const tincan::Peer& server) {
  if (server.inherited() || !server.pid()) return std::nullopt;
  clockid_t clock;
  timespec time;
  if (::clock_getcpuclockid(*server.pid(), &clock) != 0) return std::nullopt;
  if (::clock_gettime(clock, &time) != 0) return std::nullopt;
  return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

double microseconds_of(nanoseconds time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

/// A server that was restarted has another process, whose clock is another.
std::optional<nanoseconds> difference(std::optional<nanoseconds> before,
                                      std::optional<nanoseconds> after) {
  if (!before || !after || *after < *before) return std::nullopt;
  return *after - *before;
}

}  // namespace

PingStatistics::PingStatistics(std::string address, tincan::Peer server, bool json)
    : address_(std::move(address)),
      server_(std::move(server)),
      json_(json),
      started_(Clock::now()),
      cpu_before_(own_cpu_time()),
      server_cpu_before_(cpu_time_of(server_)) {}

void PingStatistics::add(nanoseconds time, std::string_view line, std::uint64_t ring_bytes) {
  const std::lock_guard lock(mutex_);
  times_.add(time);
  if (ring_bytes > 0) {
    ++over_ring_;
    ring_bytes_ = ring_bytes;
  }
  if (line.empty()) return;
  if (const ExitCode printed = print_line(line); printed != ExitCode::success) {
    std::_Exit(static_cast<int>(printed));
  }
}

void PingStatistics::add(std::uint64_t sequence, const tincan::Failure& failure) {
  const std::lock_guard lock(mutex_);
  ++failures_;
  last_failure_ = failure;
  code_ = exit_code_of(failure);
  if (!json_) complain(fmt::format("seq={}: {}", sequence, failure.explain()));
}

ExitCode PingStatistics::report() {
  // Never unlocked: a signal that comes now finds the door shut, and the process ends.
  mutex_.lock();
  elapsed_ = Clock::now() - started_;
  cpu_ = own_cpu_time() - cpu_before_;
  server_cpu_ = difference(server_cpu_before_, cpu_time_of(server_));
  const ExitCode printed = print(json_ ? json() : text());
  return printed == ExitCode::success ? code_ : printed;
}

void PingStatistics::report_and_exit() { std::_Exit(static_cast<int>(report())); }

std::string PingStatistics::text() const {
  const std::uint64_t replies = times_.count();
  const std::uint64_t calls = replies + failures_;
  std::string text = fmt::format("--- {} ping statistics ---\n", escaped_line(address_));
  text += fmt::format("{}, {}, {} failed, in {}\n", counted(calls, "call", "calls"),
                      counted(replies, "reply", "replies"), failures_, format_duration(elapsed_));
  if (replies == 0) return text;
  text +=
      fmt::format("time min/avg/p50/p99/p99.9/max = {:.1f}/{:.1f}/{:.1f}/{:.1f}/{:.1f}/{:.1f} us\n",
                  microseconds_of(times_.least()), microseconds_of(times_.mean()),
                  microseconds_of(times_.quantile(0.5)), microseconds_of(times_.quantile(0.99)),
                  microseconds_of(times_.quantile(0.999)), microseconds_of(times_.most()));
  const auto per_call = static_cast<double>(replies);
  text += fmt::format("{:.0f} calls a second, CPU {:.1f} us a call here",
                      per_call / seconds_of(elapsed_), microseconds_of(cpu_) / per_call);
  if (server_cpu_) {
    text += fmt::format(", {:.1f} us in the server", microseconds_of(*server_cpu_) / per_call);
  }
  return text + "\ntransport: " + transport() + "\n";
}

std::string PingStatistics::transport() const {
  if (over_ring_ == 0) return "socket";
  const std::string ring = fmt::format("a ring of {} each way", format_size(ring_bytes_));
  if (over_ring_ == times_.count()) return ring;
  return fmt::format("{} for {}, the socket for the others", ring,
                     counted(over_ring_, "call", "calls"));
}

std::string PingStatistics::json() const {
  const auto replies = static_cast<double>(times_.count());
  const bool any = times_.count() > 0;
  const auto per_call = [&](double sum) { return any ? Json(sum / replies) : Json(); };
  const auto time = [&](nanoseconds value) { return any ? Json(microseconds_of(value)) : Json(); };
  Json json{{"address", address_},
            {"server", json_of(server_)},
            {"calls", times_.count() + failures_},
            {"replies", times_.count()},
            {"failed", failures_},
            {"seconds", seconds_of(elapsed_)}};
  json["microseconds"] = {
      {"min", time(times_.least())},           {"avg", time(times_.mean())},
      {"p50", time(times_.quantile(0.5))},     {"p99", time(times_.quantile(0.99))},
      {"p99.9", time(times_.quantile(0.999))}, {"max", time(times_.most())}};
  json["calls_per_second"] = replies / seconds_of(elapsed_);
  json["cpu_microseconds_per_call"] = per_call(microseconds_of(cpu_));
  json["server_cpu_microseconds_per_call"] =
      server_cpu_ ? per_call(microseconds_of(*server_cpu_)) : Json();
  json["transport"] = {{"ring_bytes", ring_bytes_}, {"calls_over_ring", over_ring_}};
  json["last_failure"] = last_failure_ ? json_of(*last_failure_, code_) : Json();
  json["exit_code"] = static_cast<int>(code_);
  return line_of(json);
}

}  // namespace cli

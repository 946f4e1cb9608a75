#include "trial/sides.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "trial/wire.h"
#include "ways/clock.h"

namespace bench {

namespace {

using std::chrono::nanoseconds;

/// A sleep may end so much too late: what is left is spent looking at the clock.
constexpr std::int64_t looked_nanoseconds = 100'000;

/// Who is not warm by then is measured as it is.
constexpr nanoseconds warm_up_max = std::chrono::milliseconds(500);
constexpr std::uint64_t streamed_in_a_turn = 64;

void wait_until(std::int64_t moment) {
  const std::int64_t earlier = moment - looked_nanoseconds;
  if (now() < earlier) {
    const timespec time = {.tv_sec = earlier / 1'000'000'000, .tv_nsec = earlier % 1'000'000'000};
    ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr);
  }
  while (now() < moment) {
  }
}

class ClientSide {
 public:
  ClientSide(Way& way, const Task& task, unsigned client)
      : way_(way), task_(task), client_(client), messages_(task.bytes) {
    if (task.work != Work::payload) answer_.resize(task.bytes);
    if (has_caller()) caller_ = way.connect(client);
  }

  Done carry_out(const Order& order) {
    Done done;
    if (order.warm_up_milliseconds > 0) {
      warm_up(std::chrono::milliseconds(order.warm_up_milliseconds));
      return done;
    }
    const std::int64_t start = now();
    switch (task_.work) {
      case Work::one_way:
        send_all(order.operations);
        break;
      case Work::idle:
        for (std::uint64_t i = 0; i < order.operations; ++i) idle_.push_back(way_.connect(client_));
        break;
      default:
        repeat(order, done.times);
    }
    done.wall = nanoseconds(now() - start);
    done.operations = order.operations;
    return done;
  }

 private:
  [[nodiscard]] bool has_caller() const {
    return task_.work != Work::set_up && task_.work != Work::idle;
  }

  void exchange(Caller& caller, std::uint64_t sequence) {
    caller.exchange(messages_.numbered(sequence), answer_);
    messages_.check(answer_, sequence);
  }

  void do_one() {
    if (task_.work == Work::set_up) {
      exchange(*way_.connect(client_), 0);
    } else if (task_.work == Work::payload) {
      caller_->pass(messages_, next_++);
    } else {
      exchange(*caller_, next_++);
    }
  }

  /// At least for so long.
  void warm_up(nanoseconds time) {
    const std::int64_t start = now();
    const auto is_over = [&](nanoseconds limit) { return now() - start >= limit.count(); };
    do {
      if (task_.work == Work::one_way) {
        send_all(streamed_in_a_turn);
      } else {
        do_one();
      }
    } while (!is_over(time) || (caller_ && !caller_->is_warm() && !is_over(warm_up_max)));
  }

  /// With a rate, each is measured from when it was due: one that is late makes the next ones late,
  /// and that counts.
  void repeat(const Order& order, Histogram& times) {
    std::int64_t begun = now();
    const std::int64_t start = begun;
    for (std::uint64_t i = 0; i < order.operations; ++i) {
      if (order.rate > 0) {
        begun = start + static_cast<std::int64_t>(1e9 * static_cast<double>(i) / order.rate);
        wait_until(begun);
      }
      do_one();
      const std::int64_t end = now();
      times.add(nanoseconds(end - begun));
      begun = end;
    }
  }

  void send_all(std::uint64_t count) {
    for (; count > 1; --count) caller_->send(messages_.numbered(next_++));
    const std::uint64_t last = next_++;
    caller_->exchange(messages_.last(last), answer_);
    messages_.check(answer_, last);
  }

  Way& way_;
  const Task task_;
  const unsigned client_;
  Messages messages_;
  std::vector<std::byte> answer_;
  std::unique_ptr<Caller> caller_;
  std::vector<std::unique_ptr<Caller>> idle_;
  std::uint64_t next_ = 0;
};

/// Runs `side`; what it throws is said, and its process ends.
template <class Side>
[[noreturn]] void run_side(int control, Side side) {
  try {
    side();
    ::_exit(0);
  } catch (const std::bad_alloc&) {
    send_error(control, "out of memory");
  } catch (const std::exception& failure) {
    send_error(control, failure.what());
  }
  ::_exit(1);
}

}  // namespace

void run_server_side(Way& way, int control) {
  run_side(control, [&] { way.serve([&] { send_done(control, {}); }); });
}

void run_client_side(Way& way, const Task& task, unsigned client, int control) {
  run_side(control, [&] {
    ClientSide side(way, task, client);
    send_done(control, {});
    while (const auto order = receive_order(control)) send_done(control, side.carry_out(*order));
  });
}

}  // namespace bench

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include "trial/histogram.h"

/// What the processes of a trial and the one that has started them say to each other, over a
/// socket pair.
namespace bench {

/// Do so much.
struct Order {
  std::uint64_t operations = 0;
  std::uint64_t warm_up_milliseconds = 0;  ///< Not 0: in place of those, as many as fit in.
  double rate = 0;  ///< Operations a second, begun by the clock, whatever the ones before take; 0:
                    ///< one after the other.
};

/// It was done. In fan-in each client says so of its own part.
struct Done {
  std::uint64_t operations = 0;
  std::chrono::nanoseconds wall{};
  Histogram times;    ///< Empty for what has no time of its own.
  std::string error;  ///< Why it was not done.
};

/// Those that send throw std::system_error.
void send_order(int socket, const Order& order);
/// None: the other side has gone.
[[nodiscard]] std::optional<Order> receive_order(int socket);
void send_done(int socket, const Done& done);
/// It was not done, and why.
void send_error(int socket, const std::string& why);
/// What a process that may be anybody's says: never waited for in here. Calls `wait` whenever
/// nothing has come, which returns when something has, or throws. Throws std::runtime_error when
/// the other side has gone, and NoDone.
[[nodiscard]] Done receive_done(int socket, const std::function<void()>& wait);
/// What has come cannot be a Done, and has not been read to its end.
struct NoDone : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace bench

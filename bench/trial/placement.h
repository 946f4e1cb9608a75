#pragma once

#include <cstdint>
#include <vector>

namespace bench {

/// Where the processes of a trial run.
enum class Placement : std::uint8_t {
  different,  ///< The server on the first CPU that we may use, clients on the last.
  same,       ///< All on the last one: interrupts tend to be served by the first.
  free,       ///< Where the kernel likes.
};

/// Of this process, from now on. Throws std::system_error.
void place(Placement placement, bool is_server);
void place_on(int cpu);
/// Those that this process may use, in order. Throws std::system_error.
[[nodiscard]] std::vector<int> allowed_cpus();

}  // namespace bench

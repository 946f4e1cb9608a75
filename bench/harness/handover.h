#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

/// What both sides of the comparison of handing over have in common.
namespace bench {

/// What is handed over: "view 1024", "immutable 1024".
struct HandoverTask {
  explicit HandoverTask(const std::string& argument);
  bool immutable;
  bool first_time;  ///< "first": memory that the receiver has not had before, each time.
  std::size_t bytes;
};

/// When the receiver had the last payload: in memory that both processes share.
struct Arrival {
  std::int64_t time = 0;
  std::size_t bytes = 0;
};

}  // namespace bench

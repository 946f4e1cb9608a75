#pragma once

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "system/running_server.h"

namespace tincan::test {

inline constexpr std::uint64_t mib = 1 << 20;
inline const CallOptions unhurried{.deadline = patience};

// Bytes are made and added up in blocks of a thread's own, which ThreadSanitizer need not watch:
// one by one that takes ten times as long. Between a block and the payload, which it is to watch,
// memcpy copies.
using Block = std::byte[4096];
[[gnu::no_sanitize("thread")]] inline void make(Block& block, std::size_t at, int seed) {
  for (std::size_t i = 0; i < sizeof block; ++i) {
    block[i] = static_cast<std::byte>((at + i) * 31 + static_cast<std::size_t>(seed));
  }
}
[[gnu::no_sanitize("thread")]] inline std::uint64_t sum_of(const Block& block, std::size_t at,
                                                           std::size_t count) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    sum += ((at + i) % 1000 + 1) * static_cast<std::uint8_t>(block[i]);
  }
  return sum;
}

/// Bytes that depend on where they stand.
inline void fill(std::span<std::byte> bytes, int seed) {
  Block block;
  for (std::size_t at = 0; at < bytes.size(); at += sizeof block) {
    make(block, at, seed);
    std::memcpy(bytes.data() + at, block, std::min(sizeof block, bytes.size() - at));
  }
}
inline Loan filled(Result<Loan> loan, int seed) {
  Loan taken = or_exit(std::move(loan));
  fill(taken.bytes(), seed);
  return taken;
}
inline std::string sum_of(std::span<const std::byte> bytes) {
  std::uint64_t sum = 0;
  Block block;
  for (std::size_t at = 0; at < bytes.size(); at += sizeof block) {
    const std::size_t count = std::min(sizeof block, bytes.size() - at);
    std::memcpy(block, bytes.data() + at, count);
    sum += sum_of(block, at, count);
  }
  return std::to_string(sum);
}
inline std::string sum_of(std::uint64_t count, int seed) {
  std::uint64_t sum = 0;
  Block block;
  for (std::size_t at = 0; at < count; at += sizeof block) {
    make(block, at, seed);
    sum += sum_of(block, at, std::min(sizeof block, count - at));
  }
  return std::to_string(sum);
}

/// Of a server that takes shared views from everybody.
inline ServerOptions trusting() {
  ServerOptions options;
  options.shared_views_from = AllowList();
  return options;
}

/// Methods that look at what they are handed.
inline void add_loan_methods(Server& server) {
  server.on("size",
            [](Request request) { request.reply(std::to_string(request.payload().size())); });
  server.on("sum", [](Request request) { request.reply(sum_of(request.payload())); });
  server.on("descriptors",
            [](Request request) { request.reply(std::to_string(request.descriptors().size())); });
}

/// A server that has them, and holds requests.
class LoanServer : public RunningServer {
 public:
  explicit LoanServer(const ServerOptions& options = trusting()) : RunningServer(options) {
    Server& server = *operator->();
    add_loan_methods(server);
    server.on("count", [this](Request request) { counted_ += request.payload().size(); });
    server.on("hold", [this](Request request) { hold(std::move(request)); });
    server.on("release_and_hold", [this](Request request) {
      request.release();
      hold(std::move(request));
    });
  }
  ~LoanServer() { end(); }

  /// Some request is held.
  bool holds() {
    const std::lock_guard lock(mutex_);
    return held_.has_value();
  }
  /// Answers what is held; what it says of its payload.
  std::string let_go() {
    EXPECT_TRUE(eventually([&] { return holds(); }));
    const std::lock_guard lock(mutex_);
    const std::string sum = sum_of(held_->payload());
    held_->reply(sum);
    held_.reset();
    return sum;
  }
  /// Bytes that came one way.
  [[nodiscard]] std::uint64_t counted() const { return counted_; }

 private:
  void hold(Request request) {
    const std::lock_guard lock(mutex_);
    held_ = std::move(request);
  }

  std::mutex mutex_;
  std::optional<Request> held_;
  std::atomic<std::uint64_t> counted_ = 0;
};

}  // namespace tincan::test

#pragma once

#include <fcntl.h>
#include <sys/mman.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "system/raw_peer.h"
#include "tincan/descriptor.h"

namespace tincan::test {

constexpr unsigned size_seals_of_loans = F_SEAL_SHRINK | F_SEAL_GROW;

/// A file in memory with all its pages, sealed as the test likes.
inline Descriptor memory_of(std::size_t bytes, unsigned seals, unsigned flags = 0) {
  Descriptor file(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags));
  if (!file || ::fallocate(file.get(), 0, 0, static_cast<off_t>(bytes)) != 0) return {};
  EXPECT_EQ(::fcntl(file.get(), F_ADD_SEALS, seals), 0);
  return file;
}
inline Descriptor good_memory(std::size_t bytes, Handover kind) {
  const bool immutable = kind == Handover::immutable;
  return memory_of(bytes, size_seals_of_loans | (immutable ? F_SEAL_WRITE : F_SEAL_FUTURE_WRITE));
}

/// A client that hands over what the test likes.
class RawLoans {
 public:
  explicit RawLoans(const std::string& path) : peer(path) {
    peer.greet(0, wire::ability_handover | wire::ability_shared_views);
    EXPECT_TRUE(peer.read(wire::Kind::hello));
  }

  RawPeer peer;

  /// Asks whether it may, and hears that it may.
  bool ask() {
    peer.send(bare(wire::Kind::handover, 0));
    const auto release = peer.read(wire::Kind::release);
    return release && release->header.id == 0;
  }
  bool hand_over(std::uint64_t number, Handover kind, std::uint64_t bytes, int file) {
    return peer.send_with(handover(number, kind, bytes), {file});
  }
  /// A call with the first `bytes` of that memory.
  bool name(std::uint64_t sequence, std::uint64_t number, std::uint64_t bytes,
            std::string_view method = "sum") {
    wire::Prologue prologue;
    prologue.method = method;
    prologue.loan = wire::LentPayload{number, bytes};
    RawPeer::Bytes body(wire::encoded_prologue_bytes_max);
    body.resize(wire::encode_prologue(prologue, body.data()).bytes);
    const wire::CallId id{.slot = static_cast<std::uint16_t>(sequence % 1000),
                          .sequence = sequence};
    return peer.send(RawPeer::frame({.body_bytes = static_cast<std::uint32_t>(body.size()),
                                     .kind = wire::Kind::call,
                                     .flags = 0,
                                     .descriptors = 0,
                                     .id = id.value()},
                                    body));
  }
  /// The answer to the last call, or why there is none; "closed": the connection has ended.
  std::string answer() {
    while (const auto frame = peer.read()) {
      if (frame->header.kind == wire::Kind::reply) return frame->payload();
      if (frame->header.kind == wire::Kind::error && frame->header.id != 0) return frame->error();
      if (frame->header.kind == wire::Kind::release) ++releases;
    }
    return "closed";
  }
  int releases = 0;  ///< That came before an answer.

  static RawPeer::Bytes bare(wire::Kind kind, std::uint64_t id, std::uint16_t descriptors = 0) {
    return RawPeer::frame(
        {.body_bytes = 0, .kind = kind, .flags = 0, .descriptors = descriptors, .id = id});
  }
  static RawPeer::Bytes handover(std::uint64_t number, Handover kind, std::uint64_t bytes) {
    RawPeer::Bytes frame(wire::encoded_handover_bytes_max);
    frame.resize(wire::encode_handover(number, {.kind = kind, .bytes = bytes}, frame.data()));
    return frame;
  }
};

}  // namespace tincan::test

#pragma once

#include <string_view>
#include <utility>

#include "unit/protocol/side.h"

/// Sides that hand memory over, and frames for those that lie about it.
namespace tincan::protocol::test {

using wire::Kind;
using wire::test::frame;
using wire::test::id_of;

inline constexpr Settings takes{.descriptors_max = 4,
                                .abilities = wire::ability_handover | wire::ability_shared_views,
                                .loans_max = 3,
                                .loan_bytes_max = 1 << 20};
inline constexpr Settings lends_only{.abilities = wire::ability_handover};

/// Memory that counts what becomes of it.
struct Memory final : Lendable {
  int uses = 0;
  int used = 0;
  int holders = 0;
  void begin_use() override { ++uses, ++used; }
  void end_use() override { --uses; }
  void hold() override { ++holders; }
  void drop() override { --holders; }

  [[nodiscard]] Lending lending(Handover kind, std::uint64_t bytes = 1000,
                                std::uint64_t capacity = 4096) {
    Lending lending;
    lending.memory = this;
    lending.bytes = bytes;
    lending.capacity = capacity;
    lending.kind = kind;
    lending.file = std::move(descriptors(1)[0]);
    return lending;
  }
};

struct LoanCall : Call {
  LoanCall(Memory& memory, Handover kind, std::uint64_t bytes = 1000) : Call("put") {
    lending = memory.lending(kind, bytes);
  }
};

inline Bytes handover(std::uint64_t number, Handover kind = Handover::shared_view,
                      std::uint64_t bytes = 4096) {
  Bytes out(wire::encoded_handover_bytes_max);
  out.resize(wire::encode_handover(number, {.kind = kind, .bytes = bytes}, out.data()));
  return out;
}

inline wire::Prologue naming(std::uint64_t number, std::uint64_t bytes) {
  wire::Prologue prologue;
  prologue.method = "put";
  prologue.loan = wire::LentPayload{number, bytes};
  return prologue;
}

inline Bytes call_naming(std::uint64_t sequence, std::uint64_t number, std::uint64_t bytes = 10,
                         std::string_view payload = {}, std::uint8_t flags = 0) {
  const auto slot = static_cast<std::uint16_t>(sequence - 1);
  return frame(Kind::call, id_of(slot, sequence),
               wire::test::first_body(naming(number, bytes), payload), flags);
}

/// A server that takes memory, and has said so to a client that says what the test wants.
struct Holder : Pair {
  explicit Holder(const Settings& settings = takes) : Pair(lends_only, settings) {
    server.holds = true;
    server.take(frame(Kind::handover, 0));
  }
  void lend(std::uint64_t number, Handover kind = Handover::shared_view) {
    server.take(handover(number, kind), descriptors(1));
  }
};

}  // namespace tincan::protocol::test

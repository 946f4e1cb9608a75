#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "os/doorbell.h"
#include "ring/end.h"
#include "system/raw_peer.h"
#include "transport/ring_memory.h"

namespace tincan::test {

/// A client that goes to a ring step by step, out of step if the test likes, keeps what it gives
/// away, and has both memories open to lie in.
class RawRing {
 public:
  using Step = wire::Upgrade::Step;

  static constexpr std::uint64_t capacity = ring::capacity_bytes_min;

  explicit RawRing(const std::string& path, std::uint32_t descriptors_max = 0)
      : RawRing(raw_connection(path), descriptors_max) {}
  explicit RawRing(Descriptor socket, std::uint32_t descriptors_max = 0) : peer(std::move(socket)) {
    peer.greet(descriptors_max, wire::ability_ring);
    EXPECT_TRUE(peer.read(wire::Kind::hello));
    renew();
  }

  RawPeer peer;
  transport::RingMemory::Files kept;               ///< What the offer gives away.
  std::optional<transport::RingMemory> memory;     ///< As we have mapped it.
  std::optional<ring::End> end;                    ///< Ours of it.
  std::optional<os::Doorbell> bell;                ///< Rings the server; we hold both its ends.
  std::optional<os::DoorbellListener> heard_from;  ///< The server's, once it has accepted.

  /// New memories and a new doorbell, for another offer.
  void renew() {
    auto made = transport::RingMemory::make(capacity);
    ASSERT_TRUE(made);
    kept = std::move(made->files);
    memory = std::move(made->memory);
    end.emplace(memory->end());
    bell = *os::Doorbell::create();
  }

  bool say(Step step, std::uint64_t id = 1, std::uint64_t bytes = capacity) {
    switch (step) {
      case Step::offer:
        return say_with(step, id, bytes,
                        {kept.to_server.get(), kept.to_client.get(), bell->listening_end()});
      case Step::accept:
      case Step::moved:
        return say_with(step, id, 0, {bell->listening_end()});
      default:
        return say_with(step, id, bytes, {});
    }
  }
  bool say_with(Step step, std::uint64_t id, std::uint64_t bytes,
                const std::vector<int>& descriptors) {
    RawPeer::Bytes frame(wire::encoded_upgrade_bytes_max);
    const wire::Upgrade upgrade{.step = step, .capacity_bytes = bytes, .reason = {}};
    frame.resize(wire::encode_upgrade(id, upgrade, frame.data()));
    return descriptors.empty() ? peer.send(frame, MSG_NOSIGNAL)
                               : peer.send_with(frame, descriptors);
  }

  struct Heard {
    Step step = {};
    std::uint64_t capacity_bytes = 0;
    std::string reason;
  };
  /// The next step of the server; none when it closes.
  Heard hear() {
    const auto frame = peer.read(wire::Kind::upgrade);
    if (!frame) return {};
    const auto step = wire::decode_upgrade(frame->body);
    if (!step) return {};
    return {step->step, step->capacity_bytes, std::string(step->reason)};
  }

  /// Up to the server's acceptance: it writes to its ring from there on.
  bool agree(std::uint64_t id = 1) {
    if (!say(Step::ask, id) || hear().step != Step::grant) return false;
    if (!say(Step::offer, id) || hear().step != Step::accept) return false;
    heard_from.emplace(std::move(peer.descriptors().back()));
    return true;
  }
  /// Both directions use it.
  bool reach(std::uint64_t id = 1) { return agree(id) && say(Step::moved, id); }

  void ring() const { bell->ring(); }
  /// Puts a frame into the ring, and rings whether the server sleeps or not.
  bool write(const RawPeer::Bytes& bytes) {
    for (std::span<const std::byte> rest = bytes; !rest.empty();) {
      eventually([&] { return end->has_room() || is_closed_by_server(); });
      if (!end->has_room()) return false;
      rest = rest.subspan(end->write(rest));
      [[maybe_unused]] const bool sleeps = end->publish();
      ring();
    }
    return true;
  }
  /// The next frame out of the server's ring; none: it does not come in time.
  std::optional<RawPeer::Frame> read() {
    std::optional<RawPeer::Frame> frame;
    eventually([&] {
      std::byte piece[4096];
      const std::size_t count = end->read(piece);
      if (end->release()) ring();
      input_.insert(input_.end(), piece, piece + count);
      const auto parsed = wire::parse_frame(input_);
      if (parsed.state != wire::Parsed::State::whole) return false;
      const auto body = parsed.frame.body;
      frame = RawPeer::Frame{parsed.frame.header, {body.begin(), body.end()}};
      input_.erase(input_.begin(), input_.begin() +
                                       static_cast<std::ptrdiff_t>(sizeof(wire::FrameHeader)) +
                                       static_cast<std::ptrdiff_t>(body.size()));
      return true;
    });
    return frame;
  }
  /// A call through the ring and its answer.
  std::string echo(std::uint64_t sequence, std::string_view text) {
    if (!write(RawPeer::call(sequence, 0, "echo", text))) return "no room";
    const auto reply = read();
    return reply ? reply->payload() : "no reply";
  }

  /// Bytes of pages that the memory in which the server writes has at the moment.
  [[nodiscard]] std::uint64_t pages_bytes() const { return pages_bytes(kept.to_client); }
  static std::uint64_t pages_bytes(const Descriptor& file) {
    struct stat status = {};
    EXPECT_EQ(::fstat(file.get(), &status), 0);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }
  /// Takes the pages away that we were charged for; the next to write there is charged.
  void punch_holes() const {
    EXPECT_EQ(::fallocate(kept.to_client.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                          static_cast<off_t>(transport::memory_bytes(capacity))),
              0);
  }

 private:
  [[nodiscard]] bool is_closed_by_server() const {
    pollfd ended{peer.fd(), POLLRDHUP, 0};
    return ::poll(&ended, 1, 0) == 1;
  }

  RawPeer::Bytes input_;
};

}  // namespace tincan::test

#pragma once

#include <future>
#include <optional>
#include <utility>
#include <vector>

#include "os/doorbell.h"
#include "ring/end.h"
#include "system/raw_server.h"
#include "system/ring_client.h"
#include "transport/ring_memory.h"

namespace tincan::test {

/// The other end of a client's ring, whose calls it answers while it is on the socket.
class RawRingServer {
 public:
  using Step = wire::Upgrade::Step;

  /// With a client that insists on a ring, `finish_connecting` is still to be called.
  explicit RawRingServer(ClientOptions options = eager()) {
    options.connect_deadline = patience;
    options.reconnect_deadline = std::chrono::milliseconds(1);
    client = std::async(std::launch::async, [this, options] {
      return or_exit(Client::connect(server_.path(), options));
    });
    peer.emplace(server_.accept());
    peer->greet(0, wire::ability_ring);
    if (options.transport != Transport::ring) finish_connecting();
  }
  void finish_connecting() {
    connected.emplace(client.get());
    server_.leave();  // there is no second one
  }

  RawServer server_;
  std::future<Client> client;
  std::optional<Client> connected;
  std::optional<RawPeer> peer;
  std::optional<transport::RingMemory> memory;
  std::optional<ring::End> end;
  std::optional<os::Doorbell> bell;
  std::uint64_t capacity = 0;
  RawPeer::Bytes input;         ///< Out of the client's ring.
  std::uint64_t open_call = 0;  ///< The last one in there, which is not answered.
  bool moved = false;           ///< What it says goes into its ring.

  bool say(Step step, std::uint64_t id = 1, std::uint64_t bytes = 0,
           const std::vector<int>& descriptors = {}, std::string_view reason = {}) {
    RawPeer::Bytes frame(wire::encoded_upgrade_bytes_max);
    const wire::Upgrade upgrade{.step = step, .capacity_bytes = bytes, .reason = reason};
    frame.resize(wire::encode_upgrade(id, upgrade, frame.data()));
    return descriptors.empty() ? peer->send(frame) : peer->send_with(frame, descriptors);
  }
  void serve(std::uint64_t id) {
    if (moved) {
      write(answer_to(id));
    } else {
      answer(*peer, id);
    }
  }
  /// Answers calls until the client says `step`. False: it does not.
  bool serve_until(Step step) {
    while (const auto frame = peer->read()) {
      if (frame->header.kind == wire::Kind::call) serve(frame->header.id);
      if (frame->header.kind != wire::Kind::upgrade) continue;
      const auto upgrade = wire::decode_upgrade(frame->body);
      if (upgrade->capacity_bytes > 0) capacity = upgrade->capacity_bytes;
      return upgrade->step == step;
    }
    return false;
  }
  /// Up to the client's offer. What comes with it is in `peer`.
  bool await_offer() {
    return serve_until(Step::ask) && say(Step::grant, 1, capacity) && serve_until(Step::offer);
  }
  /// The same, and takes it.
  bool take_offer() { return await_offer() && map_offer(); }
  bool map_offer() {
    auto& given = peer->descriptors();
    auto taken = transport::RingMemory::take({std::move(given[0]), std::move(given[1])}, capacity);
    if (!taken) return false;
    memory = std::move(*taken);
    end.emplace(memory->end());
    bell = *os::Doorbell::create();
    return true;
  }
  /// Both directions use it.
  bool reach() { return take_offer() && accept_offer(); }
  bool accept_offer() {
    if (!say(Step::accept, 1, 0, {bell->listening_end()})) return false;
    moved = true;
    return serve_until(Step::moved);
  }
  void write(const RawPeer::Bytes& bytes) {
    end->write(bytes);
    [[maybe_unused]] const bool sleeps = end->publish();
    bell->ring();
  }
  /// Fills its ring with what means nothing, if it is empty. False: it is not.
  bool fill() {
    if (!end->is_drained_by_peer()) return false;
    const auto pong = RawPeer::frame(wire::FrameHeader::bare(wire::Kind::pong, 0));
    RawPeer::Bytes pongs;
    while (pongs.size() < capacity) pongs.insert(pongs.end(), pong.begin(), pong.end());
    write(pongs);
    return true;
  }
  /// The next frame out of the client's ring, while ours is filled again whenever it is empty.
  RawPeer::Frame read_and_fill() {
    RawPeer::Frame frame = {};
    eventually([&] {
      fill();
      std::byte piece[4096];
      input.insert(input.end(), piece, piece + end->read(piece));
      if (end->release()) bell->ring();
      const auto parsed = wire::parse_frame(input);
      if (parsed.state != wire::Parsed::State::whole) return false;
      frame = {parsed.frame.header, {parsed.frame.body.begin(), parsed.frame.body.end()}};
      const std::size_t bytes = sizeof frame.header + frame.body.size();
      input.erase(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(bytes));
      return true;
    });
    return frame;
  }
  /// Until the client finds its ring too small; what it asks for then.
  wire::Upgrade be_asked_for_larger() {
    while (true) {
      const RawPeer::Frame frame = read_and_fill();
      if (frame.header.kind == wire::Kind::upgrade) return *wire::decode_upgrade(frame.body);
      if (frame.header.kind != wire::Kind::call) return {};
      open_call = frame.header.id;
    }
  }
  /// In its ring.
  void say_in_ring(Step step, std::uint64_t id, std::uint64_t bytes = 0) {
    RawPeer::Bytes frame(wire::encoded_upgrade_bytes_max);
    const wire::Upgrade upgrade{.step = step, .capacity_bytes = bytes, .reason = {}};
    frame.resize(wire::encode_upgrade(id, upgrade, frame.data()));
    eventually([&] { return end->is_drained_by_peer(); });
    write(frame);
  }
  bool send_revoke(std::uint64_t position) {
    return peer->send(RawPeer::frame({.body_bytes = 0,
                                      .kind = wire::Kind::revoke,
                                      .flags = 0,
                                      .descriptors = 0,
                                      .id = position}));
  }
  bool send_descriptor_for(std::uint64_t position) {
    return peer->send_with(RawPeer::frame({.body_bytes = 0,
                                           .kind = wire::Kind::upgrade,
                                           .flags = 0,
                                           .descriptors = 1,
                                           .id = position}),
                           {0});
  }
};

}  // namespace tincan::test

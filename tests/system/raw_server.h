#pragma once

#include <sys/ioctl.h>

#include <future>
#include <string>
#include <utility>

#include "support/temporary_directory.h"
#include "system/raw_peer.h"
#include "tincan/client.h"

namespace tincan::test {

/// A server that says what the test wants, when the test wants it: each connection is a RawPeer.
class RawServer {
 public:
  RawServer() : path_(directory_ / "socket"), listener_(raw_listener(path_, 64)) {}

  [[nodiscard]] const std::string& path() const { return path_; }

  /// The next connection; nothing was sent on it.
  RawPeer accept() {
    EXPECT_TRUE(is_waited_for()) << "nobody connects";
    return RawPeer(Descriptor(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }
  RawPeer greet() {
    RawPeer peer = accept();
    peer.greet();
    return peer;
  }
  /// Whether a connection waits to be accepted, or comes in time.
  bool is_waited_for(std::chrono::milliseconds deadline = patience) {
    pollfd ready{listener_.get(), POLLIN, 0};
    return ::poll(&ready, 1, static_cast<int>(deadline.count())) == 1;
  }
  /// A client, and our end of its connection.
  std::pair<Client, RawPeer> connect(ClientOptions options = {}) {
    options.connect_deadline = patience;
    auto client =
        std::async(std::launch::async, [&] { return or_exit(Client::connect(path_, options)); });
    RawPeer peer = greet();
    return {client.get(), std::move(peer)};
  }
  /// Nobody can connect any more.
  void leave() {
    ::unlink(path_.c_str());
    listener_.reset();
  }

 private:
  TemporaryDirectory directory_;
  std::string path_;
  Descriptor listener_;
};

/// The next call that comes whole or begins, and its method.
struct RawCall {
  std::uint64_t id = 0;
  std::string method;
};
inline RawCall next_call(RawPeer& peer) {
  while (const auto frame = peer.read(wire::Kind::call)) {
    if ((frame->header.flags & wire::flag_continued) != 0) continue;
    std::span<const std::byte> payload;
    wire::Prologue prologue;
    if (!wire::decode_prologue(frame->body, prologue, payload)) break;
    return {frame->header.id, std::string(prologue.method)};
  }
  return {};
}

inline RawPeer::Bytes answer_to(std::uint64_t id, std::string_view payload = {}) {
  RawPeer::Bytes body(wire::encoded_prologue_bytes_max);
  body.resize(wire::encode_prologue({}, body.data()).bytes);
  const auto bytes = std::as_bytes(std::span(payload));
  body.insert(body.end(), bytes.begin(), bytes.end());
  return RawPeer::frame({.body_bytes = static_cast<std::uint32_t>(body.size()),
                         .kind = wire::Kind::reply,
                         .flags = 0,
                         .descriptors = 0,
                         .id = id},
                        body);
}

inline bool answer(RawPeer& peer, std::uint64_t id, std::string_view payload = {}) {
  return peer.send(answer_to(id, payload));
}

inline bool drain(RawPeer& peer, std::uint64_t accepted) {
  return peer.send(RawPeer::frame(
      {.body_bytes = 0, .kind = wire::Kind::drain, .flags = 0, .descriptors = 0, .id = accepted}));
}

/// Whether there is something to read, or comes in time.
inline bool is_readable(int fd, std::chrono::milliseconds deadline) {
  pollfd ready{fd, POLLIN, 0};
  return ::poll(&ready, 1, static_cast<int>(deadline.count())) == 1;
}

}  // namespace tincan::test

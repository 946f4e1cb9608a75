#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "support/eventually.h"
#include "tincan/descriptor.h"
#include "unit/wire/frames.h"
#include "wire/body.h"

namespace tincan::test {

inline sockaddr_un address_of(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

/// A listener that is no tincan server.
inline Descriptor raw_listener(const std::string& path, int backlog) {
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(socket.get(), backlog), 0);
  return socket;
}

/// -1 and errno when it cannot connect at once.
inline Descriptor raw_connection(const std::string& path, int flags = 0) {
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  const sockaddr_un address = address_of(path);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    socket.reset();
  }
  return socket;
}

/// A peer that speaks the wire byte by byte, and says what no tincan client would.
class RawPeer {
 public:
  using Bytes = std::vector<std::byte>;

  explicit RawPeer(const std::string& path) : RawPeer(raw_connection(path)) {}
  explicit RawPeer(Descriptor socket) : socket_(std::move(socket)) {}

  [[nodiscard]] int fd() const { return socket_.get(); }
  void close() { socket_.reset(); }

  bool send(const Bytes& bytes, int flags = 0) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const auto count =
          ::send(fd(), bytes.data() + sent, bytes.size() - sent, flags | MSG_NOSIGNAL);
      if (count < 0) return false;
      sent += static_cast<std::size_t>(count);
    }
    return true;
  }
  bool send_with(const Bytes& bytes, const std::vector<int>& descriptors) {
    iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
    std::vector<char> control(CMSG_SPACE(descriptors.size() * sizeof(int)));
    msghdr message = {};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size() * sizeof(int));
    return ::sendmsg(fd(), &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }

  bool greet(std::uint32_t descriptors_max = 0, std::uint64_t abilities = 0,
             std::uint64_t payload_bytes_max = limits::payload_bytes_max) {
    Bytes bytes;
    wire::encode_hello({.payload_bytes_max = payload_bytes_max,
                        .calls_in_flight_max = limits::calls_in_flight_max,
                        .descriptors_max = descriptors_max,
                        .abilities = abilities},
                       bytes);
    return send(bytes);
  }

  /// The first, or only, frame of a call.
  static Bytes call(std::uint64_t sequence, std::uint16_t slot, std::string_view method,
                    std::string_view payload = {}, std::uint8_t flags = 0,
                    std::optional<std::uint64_t> payload_bytes = {},
                    std::uint16_t descriptors = 0) {
    wire::Prologue prologue;
    prologue.method = method;
    prologue.payload_bytes = payload_bytes;
    Bytes body(wire::encoded_prologue_bytes_max);
    body.resize(wire::encode_prologue(prologue, body.data()).bytes);
    const auto payload_part = std::as_bytes(std::span(payload));
    body.insert(body.end(), payload_part.begin(), payload_part.end());
    const wire::CallId id{.slot = slot, .sequence = sequence};
    return frame({.body_bytes = static_cast<std::uint32_t>(body.size()),
                  .kind = wire::Kind::call,
                  .flags = flags,
                  .descriptors = descriptors,
                  .id = id.value()},
                 body);
  }
  static Bytes frame(const wire::FrameHeader& header, const Bytes& body = {}) {
    Bytes bytes(sizeof header);
    std::memcpy(bytes.data(), &header, sizeof header);
    bytes.insert(bytes.end(), body.begin(), body.end());
    return bytes;
  }

  struct Frame {
    wire::FrameHeader header;
    Bytes body;
    [[nodiscard]] std::string payload() const {
      std::span<const std::byte> payload;
      wire::Prologue prologue;
      if (!wire::decode_prologue(body, prologue, payload)) return "malformed";
      return {reinterpret_cast<const char*>(payload.data()), payload.size()};
    }
    [[nodiscard]] std::string error() const {
      const auto error = wire::decode_error(body);
      return error ? std::string(error->text) : "malformed";
    }
  };
  /// The next frame; none at the end of the connection, or when it takes too long.
  std::optional<Frame> read() {
    while (true) {
      if (!preamble_read_ && input_.size() >= wire::preamble.size()) {
        input_.erase(input_.begin(), input_.begin() + wire::preamble.size());
        preamble_read_ = true;
      }
      if (preamble_read_) {
        const auto parsed = wire::parse_frame(input_);
        if (parsed.state == wire::Parsed::State::breach) return std::nullopt;
        if (parsed.state == wire::Parsed::State::whole) return take(parsed.frame);
      }
      if (!read_more()) return std::nullopt;
    }
  }
  /// The next frame of that kind.
  std::optional<Frame> read(wire::Kind kind) {
    while (auto frame = read()) {
      if (frame->header.kind == kind) return frame;
    }
    return std::nullopt;
  }
  /// Descriptors that came with what was read so far.
  std::vector<Descriptor>& descriptors() { return descriptors_; }
  /// True once the server has closed, whatever it says before.
  bool is_closed() {
    while (read_more()) {
    }
    return ended_;
  }

 private:
  Frame take(const wire::Frame& frame) {
    Frame taken{frame.header, Bytes(frame.body.begin(), frame.body.end())};
    input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(sizeof frame.header +
                                                                              taken.body.size()));
    return taken;
  }
  bool read_more() {
    pollfd ready{fd(), POLLIN, 0};
    const auto milliseconds = std::chrono::milliseconds(patience).count();
    if (::poll(&ready, 1, static_cast<int>(milliseconds)) != 1) return false;
    std::byte piece[65536];
    const auto count = receive(piece);
    ended_ = count <= 0;
    if (count > 0) input_.insert(input_.end(), piece, piece + count);
    return !ended_;
  }

  ssize_t receive(std::span<std::byte> into) {
    iovec piece{into.data(), into.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))];
    msghdr message = {};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const auto count = ::recvmsg(fd(), &message, MSG_CMSG_CLOEXEC);
    const cmsghdr* const header = count < 0 ? nullptr : CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return count;
    for (std::size_t at = CMSG_LEN(0); at < header->cmsg_len; at += sizeof(int)) {
      int number;
      std::memcpy(&number, reinterpret_cast<const char*>(header) + at, sizeof number);
      descriptors_.emplace_back(number);
    }
    return count;
  }

  Descriptor socket_;
  std::vector<Descriptor> descriptors_;
  Bytes input_;
  bool preamble_read_ = false;
  bool ended_ = false;
};

}  // namespace tincan::test

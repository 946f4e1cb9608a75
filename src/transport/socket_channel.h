#pragma once

#include "os/process.h"
#include "os/socket.h"
#include "transport/channel.h"

namespace tincan::transport {

/// The stream socket as a channel: one send(2) or recv(2) each, sendmsg(2) and recvmsg(2) only for
/// descriptors. A forked child has no part in it: the socket is closed there.
class SocketChannel final : public Channel {
 public:
  explicit SocketChannel(Descriptor socket) : socket_(std::move(socket)) {}

  [[nodiscard]] os::Sys<std::size_t> write(std::span<const std::byte> bytes,
                                           std::span<const Descriptor> descriptors) override {
    if (descriptors.empty()) return os::send(fd(), bytes, os::Mode::do_not_wait);
    return write_with(bytes, descriptors);
  }
  [[nodiscard]] os::Sys<Read> read(std::span<std::byte> into,
                                   std::vector<Descriptor>* descriptors) override {
    return read_in(os::Mode::do_not_wait, into, descriptors);
  }
  /// The same, sleeping in the call itself until bytes come or SO_RCVTIMEO runs out (EAGAIN).
  [[nodiscard]] os::Sys<Read> read_waiting(std::span<std::byte> into,
                                           std::vector<Descriptor>* descriptors) {
    return read_in(os::Mode::wait, into, descriptors);
  }
  [[nodiscard]] int fd() const override { return socket_.get(); }

 private:
  [[nodiscard]] os::Sys<Read> read_in(os::Mode mode, std::span<std::byte> into,
                                      std::vector<Descriptor>* descriptors) {
    if (descriptors != nullptr) return read_with(mode, into, *descriptors);
    const auto bytes = os::receive(fd(), into, mode);
    if (!bytes) return std::unexpected(bytes.error());
    return Read{*bytes, false};
  }
  [[nodiscard]] os::Sys<std::size_t> write_with(std::span<const std::byte> bytes,
                                                std::span<const Descriptor> descriptors);
  [[nodiscard]] os::Sys<Read> read_with(os::Mode mode, std::span<std::byte> into,
                                        std::vector<Descriptor>& descriptors);

  os::CloseInChild socket_;
};

}  // namespace tincan::transport

#pragma once

#include "os/process.h"
#include "transport/channel.h"

namespace tincan::transport {

/// The stream socket as a channel: one send(2) or recv(2) each, sendmsg(2) and recvmsg(2) only for
/// descriptors. A forked child has no part in it: the socket is closed there.
class SocketChannel final : public Channel {
 public:
  explicit SocketChannel(Descriptor socket) : socket_(std::move(socket)) {}

  [[nodiscard]] os::Sys<std::size_t> write(std::span<const std::byte> bytes,
                                           std::span<const Descriptor> descriptors) override;
  [[nodiscard]] os::Sys<Read> read(std::span<std::byte> into,
                                   std::vector<Descriptor>* descriptors) override;
  /// The same, sleeping in the call itself until bytes come or SO_RCVTIMEO runs out (EAGAIN).
  [[nodiscard]] os::Sys<Read> read_waiting(std::span<std::byte> into,
                                           std::vector<Descriptor>* descriptors);
  [[nodiscard]] int fd() const override { return socket_.get(); }

 private:
  os::CloseInChild socket_;
};

}  // namespace tincan::transport

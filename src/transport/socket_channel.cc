#include "transport/socket_channel.h"

#include <array>

#include "os/socket.h"
#include "tincan/limits.h"

namespace tincan::transport {

namespace {

os::Sys<Channel::Read> read_from(int socket, std::span<std::byte> into,
                                 std::vector<Descriptor>* descriptors, os::Mode mode) {
  if (descriptors == nullptr) {
    const auto bytes = os::receive(socket, into, mode);
    if (!bytes) return std::unexpected(bytes.error());
    return Channel::Read{*bytes, false};
  }
  const auto arrival = os::receive(socket, into, *descriptors, mode);
  if (!arrival) return std::unexpected(arrival.error());
  return Channel::Read{arrival->bytes, arrival->truncated};
}

}  // namespace

os::Sys<std::size_t> SocketChannel::write(std::span<const std::byte> bytes,
                                          std::span<const Descriptor> descriptors) {
  if (descriptors.empty()) return os::send(fd(), bytes, os::Mode::do_not_wait);
  std::array<int, limits::message_descriptors_max> numbers;
  for (std::size_t i = 0; i < descriptors.size(); ++i) numbers[i] = descriptors[i].get();
  return os::send(fd(), bytes, std::span<const int>(numbers).first(descriptors.size()),
                  os::Mode::do_not_wait);
}

os::Sys<Channel::Read> SocketChannel::read(std::span<std::byte> into,
                                           std::vector<Descriptor>* descriptors) {
  return read_from(fd(), into, descriptors, os::Mode::do_not_wait);
}

os::Sys<Channel::Read> SocketChannel::read_waiting(std::span<std::byte> into,
                                                   std::vector<Descriptor>* descriptors) {
  return read_from(fd(), into, descriptors, os::Mode::wait);
}

}  // namespace tincan::transport

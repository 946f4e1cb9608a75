#include "transport/socket_channel.h"

#include <array>

#include "tincan/limits.h"

namespace tincan::transport {

os::Sys<std::size_t> SocketChannel::write_with(std::span<const std::byte> bytes,
                                               std::span<const Descriptor> descriptors) {
  std::array<int, limits::message_descriptors_max> numbers;
  for (std::size_t i = 0; i < descriptors.size(); ++i) numbers[i] = descriptors[i].get();
  return os::send(fd(), bytes, std::span<const int>(numbers).first(descriptors.size()),
                  os::Mode::do_not_wait);
}

os::Sys<Channel::Read> SocketChannel::read_with(os::Mode mode, std::span<std::byte> into,
                                                std::vector<Descriptor>& descriptors) {
  const auto arrival = os::receive(fd(), into, descriptors, mode);
  if (!arrival) return std::unexpected(arrival.error());
  return Read{arrival->bytes, arrival->truncated};
}

}  // namespace tincan::transport

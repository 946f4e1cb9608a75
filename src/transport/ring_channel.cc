#include "transport/ring_channel.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tincan::transport {

RingChannel::RingChannel(SocketChannel& socket, RingMemory memory, os::Doorbell ours,
                         os::DoorbellListener theirs)
    : socket_(socket),
      memory_(std::move(memory)),
      end_(memory_.end()),
      doorbell_(std::move(ours)),
      listener_(std::move(theirs)) {}

os::Sys<std::size_t> RingChannel::write(std::span<const std::byte> bytes,
                                        std::span<const Descriptor> descriptors) {
  if (ended_) return os::failed(EPIPE);
  if (!descriptors.empty()) {
    // They must not go ahead of a byte that then does not fit.
    if (!end_.has_room()) return os::failed(end_.is_breached() ? EPROTO : EAGAIN);
    if (auto sent = send_ahead(descriptors); !sent) return std::unexpected(sent.error());
    end_.announce_descriptors();
  }
  const std::size_t written = end_.write(bytes);
  if (written == 0) return os::failed(end_.is_breached() ? EPROTO : EAGAIN);
  if (end_.publish()) doorbell_.ring();
  return written;
}

os::Sys<void> RingChannel::send_ahead(std::span<const Descriptor> descriptors) {
  const wire::FrameHeader header{.body_bytes = 0,
                                 .kind = wire::Kind::upgrade,
                                 .flags = 0,
                                 .descriptors = static_cast<std::uint16_t>(descriptors.size()),
                                 .id = end_.written()};
  auto rest = std::as_bytes(std::span(&header, 1));
  const auto sent = socket_.write(rest, descriptors);
  waits_for_socket_ = !sent && sent.error().code == EAGAIN;
  if (!sent) return std::unexpected(sent.error());
  rest = rest.subspan(*sent);
  while (!rest.empty()) {  // which a kernel that took some of so few bytes does not do to us
    const auto more = socket_.write(rest, {});
    if (!more) return os::failed(EPIPE);
    rest = rest.subspan(*more);
  }
  return {};
}

os::Sys<Channel::Read> RingChannel::read(std::span<std::byte> into,
                                         std::vector<Descriptor>* descriptors) {
  if (look_at_socket_ || are_descriptors_announced()) {
    if (auto looked = look_at_socket(); !looked) return std::unexpected(looked.error());
  }
  Read result;
  if (!arrived_.empty()) {
    const auto lost = hand_over_descriptors(descriptors);
    if (!lost) return std::unexpected(lost.error());
    result.descriptors_lost = *lost;
  }
  if (!arrived_.empty()) {
    const std::uint64_t until_there = arrived_.front().position - end_.consumed();
    into = into.first(std::min<std::uint64_t>(into.size(), until_there));
  }
  result.bytes = end_.read(into);
  if (result.bytes == 0) return nothing_there();
  if (end_.release()) doorbell_.ring();
  return result;
}

/// Those of the very next byte, if it has some. True: some were lost on their way.
os::Sys<bool> RingChannel::hand_over_descriptors(std::vector<Descriptor>* descriptors) {
  Arrived& first = arrived_.front();
  if (first.position != end_.consumed() || !end_.is_readable()) return false;
  if (descriptors != nullptr) {
    descriptors->insert(descriptors->end(), std::move_iterator(first.descriptors.begin()),
                        std::move_iterator(first.descriptors.end()));
  }
  const bool lost = first.lost;
  arrived_.erase(arrived_.begin());
  // Where the next set belongs, this read has to stop.
  if (auto looked = look_at_socket(); !looked) return std::unexpected(looked.error());
  return lost;
}

os::Sys<Channel::Read> RingChannel::nothing_there() const {
  if (end_.is_breached()) return os::failed(EPROTO);
  if (!ended_) return os::failed(EAGAIN);
  if (*ended_ != 0) return os::failed(*ended_);
  return Read{};
}

/// Takes in what was announced, and what there is besides when the socket has news.
os::Sys<void> RingChannel::look_at_socket() {
  while (arrived_.size() < 2 && !ended_ && (look_at_socket_ || are_descriptors_announced())) {
    const auto arrival = os::receive(socket_.fd(), std::span(control_).subspan(control_bytes_),
                                     control_descriptors_, os::Mode::do_not_wait);
    if (arrival && arrival->bytes > 0) {
      control_bytes_ += arrival->bytes;
      control_lost_ = control_lost_ || arrival->truncated;
      if (control_bytes_ < sizeof control_) continue;
      if (auto taken = take_control(); !taken) return taken;
      continue;
    }
    look_at_socket_ = false;
    if (!arrival && arrival.error().code == EAGAIN) {
      // They are sent before they are announced.
      if (are_descriptors_announced()) return os::failed(EPROTO);
      return {};
    }
    ended_ = arrival ? 0 : arrival.error().code;
  }
  return {};
}

os::Sys<void> RingChannel::take_control() {
  control_bytes_ = 0;
  wire::FrameHeader header;
  std::memcpy(&header, control_, sizeof header);
  Arrived arrived{header.id, std::exchange(control_descriptors_, {}),
                  std::exchange(control_lost_, false)};
  const bool fits = header.kind == wire::Kind::upgrade && header.body_bytes == 0 &&
                    header.flags == 0 && header.descriptors > 0 && header.id >= next_set_from_ &&
                    header.id >= end_.consumed();
  const bool complete = arrived.lost || header.descriptors == arrived.descriptors.size();
  // One may have overtaken its byte, which is published next.
  const bool too_early = sets_arrived_ - end_.peer_descriptor_sets() == 1;
  if (!fits || !complete || too_early) return os::failed(EPROTO);
  next_set_from_ = header.id + 1;
  ++sets_arrived_;
  arrived_.push_back(std::move(arrived));
  return {};
}

}  // namespace tincan::transport

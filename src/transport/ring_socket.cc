#include "transport/ring_socket.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "os/socket.h"

namespace tincan::transport {

os::Sys<void> RingSocket::send_descriptors(std::uint64_t position,
                                           std::span<const Descriptor> descriptors) {
  return send({.body_bytes = 0,
               .kind = wire::Kind::upgrade,
               .flags = 0,
               .descriptors = static_cast<std::uint16_t>(descriptors.size()),
               .id = position},
              descriptors);
}

os::Sys<void> RingSocket::send_revoke(std::uint64_t position) {
  return send(
      {.body_bytes = 0, .kind = wire::Kind::revoke, .flags = 0, .descriptors = 0, .id = position},
      {});
}

os::Sys<void> RingSocket::send(const wire::FrameHeader& header,
                               std::span<const Descriptor> descriptors) {
  auto rest = std::as_bytes(std::span(&header, 1));
  const auto sent = socket_.write(rest, descriptors);
  waits_for_room_ = !sent && sent.error().code == EAGAIN;
  if (!sent) return std::unexpected(sent.error());
  rest = rest.subspan(*sent);
  while (!rest.empty()) {  // which a kernel that took some of so few bytes does not do to us
    const auto more = socket_.write(rest, {});
    if (!more) return os::failed(EPIPE);
    rest = rest.subspan(*more);
  }
  return {};
}

bool RingSocket::takes_more(std::uint32_t sets_announced) const {
  return !is_full() && !ended_ && !revoked_at_ && is_to_be_looked_at(sets_announced);
}

os::Sys<void> RingSocket::look(std::uint32_t sets_announced, std::uint64_t consumed,
                               const ring::End* end) {
  while (takes_more(sets_announced)) {
    // No more than one header at a time: behind the last one something else may begin.
    const auto arrival = os::receive(socket_.fd(), std::span(header_).subspan(header_bytes_),
                                     header_descriptors_, os::Mode::do_not_wait);
    if (arrival && arrival->bytes > 0) {
      header_bytes_ += arrival->bytes;
      header_lost_ = header_lost_ || arrival->truncated;
      if (header_bytes_ < sizeof header_) continue;
      if (auto taken = take(sets_announced, consumed, end); !taken) return taken;
      continue;
    }
    has_news_ = false;
    if (!arrival && arrival.error().code == EAGAIN) {
      // They are sent before they are announced.
      if (is_missing(sets_announced)) return os::failed(EPROTO);
      return {};
    }
    ended_ = arrival ? 0 : arrival.error().code;
  }
  return {};
}

os::Sys<void> RingSocket::look_for_revoke(std::uint64_t consumed) {
  if (auto looked = look(sets_arrived_, consumed); !looked) return looked;
  if (arrived_.size() > 1 && !revoked_at_) return os::failed(EPROTO);
  return {};
}

os::Sys<void> RingSocket::take(std::uint32_t sets_announced, std::uint64_t consumed,
                               const ring::End* end) {
  header_bytes_ = 0;
  wire::FrameHeader header;
  std::memcpy(&header, header_, sizeof header);
  Arrived arrived{header.id, std::exchange(header_descriptors_, {}),
                  std::exchange(header_lost_, false)};
  if (header.body_bytes != 0 || header.flags != 0) return os::failed(EPROTO);
  if (header.kind == wire::Kind::revoke) {
    if (header.descriptors != 0 || !arrived.descriptors.empty()) return os::failed(EPROTO);
    revoked_at_ = header.id;
    return {};
  }
  const bool fits = header.kind == wire::Kind::upgrade && header.descriptors > 0 &&
                    header.id >= next_set_from_ && header.id >= consumed;
  const bool complete = arrived.lost || header.descriptors == arrived.descriptors.size();
  // One may have overtaken its byte, which is published next. Those before it are announced by now,
  // if not when we began to look.
  if (end != nullptr) sets_announced = end->peer_descriptor_sets();
  const bool too_early = sets_arrived_ - sets_announced == 1;
  if (!fits || !complete || too_early) return os::failed(EPROTO);
  next_set_from_ = header.id + 1;
  ++sets_arrived_;
  arrived_.push_back(std::move(arrived));
  return {};
}

bool RingSocket::take_set(std::vector<Descriptor>* into) {
  Arrived first = std::move(arrived_.front());
  arrived_.erase(arrived_.begin());
  if (into != nullptr) std::ranges::move(first.descriptors, std::back_inserter(*into));
  return first.lost;
}

}  // namespace tincan::transport

#include "transport/ring_channel.h"

#include <algorithm>
#include <utility>

#include "os/cpu.h"

namespace tincan::transport {

RingChannel::RingChannel(RingSocket& socket, int fd, RingMemory memory, os::Doorbell ours,
                         os::DoorbellListener theirs)
    : socket_(socket),
      fd_(fd),
      memory_(std::move(memory)),
      end_(memory_.end()),
      doorbell_(std::move(ours)),
      listener_(std::move(theirs)) {}

os::Sys<std::size_t> RingChannel::write(std::span<const std::byte> bytes,
                                        std::span<const Descriptor> descriptors) {
  if (socket_.ended()) return os::failed(EPIPE);
  // What is published now will not be taken, and has to wait for the word of the revoker.
  if (end_.is_revoked_by_peer()) return os::failed(EAGAIN);
  if (!descriptors.empty()) {
    // They must not go ahead of a byte that then does not fit.
    if (!end_.has_room()) return no_room();
    if (auto sent = socket_.send_descriptors(end_.written(), descriptors); !sent) {
      return std::unexpected(sent.error());
    }
    end_.announce_descriptors();
  }
  const std::size_t written = end_.write(bytes);
  if (written == 0) return no_room();
  out_fills_.note(end_.untaken() - written, capacity_bytes());
  if (end_.publish()) doorbell_.ring();
  last_written_ = std::min(written, os::fetched_bytes_max);
  return written;
}

std::unexpected<os::Errno> RingChannel::no_room() {
  if (end_.is_breached()) return os::failed(EPROTO);
  out_fills_.note_full();
  return os::failed(EAGAIN);
}

os::Sys<Channel::Read> RingChannel::read(std::span<std::byte> into,
                                         std::vector<Descriptor>* descriptors) {
  // In this order: a set of descriptors is announced no later than its byte is published, so those
  // of all the bytes that this read may take are known.
  const bool readable = look();
  const std::uint32_t announced = end_.peer_descriptor_sets();
  Read result;
  std::span<std::byte> part = into;
  if (socket_.next_set() || socket_.is_to_be_looked_at(announced)) {
    if (auto looked = socket_.look(announced, end_.consumed(), &end_); !looked) {
      return std::unexpected(looked.error());
    }
    if (readable && socket_.next_set() == end_.consumed()) {
      result.descriptors_lost = socket_.take_set(descriptors);
      // Where the next set belongs, this read has to stop.
      if (auto looked = socket_.look(announced, end_.consumed(), &end_); !looked) {
        return std::unexpected(looked.error());
      }
    }
    if (const auto next = socket_.next_set()) {
      part = into.first(std::min<std::uint64_t>(into.size(), *next - end_.consumed()));
    }
  }
  if (!readable) return nothing_there(into, descriptors);
  expect_to_write();
  result.bytes = end_.read(part);
  result.more = end_.unread() > 0 || socket_.ended() || socket_.is_full();
  if (end_.release()) doorbell_.ring();
  return result;
}

/// Whether there is something to read. When that takes a look at the other side, notes how much.
bool RingChannel::look() {
  if (end_.unread() > 0) return end_.is_readable();
  const bool readable = end_.is_readable();
  if (end_.unread() == capacity_bytes()) {
    in_fills_.note_full();
  } else {
    in_fills_.note(end_.unread(), capacity_bytes());
  }
  return readable;
}

void RingChannel::fetch_ahead() {
  os::fetch_lines(end_.next_unread(os::fetched_bytes_max));
  expect_to_write();
}

/// What has come is likely to be followed by something of ours that is as long as what we wrote
/// last. The other side has read what stood there, so each line of it has to be fetched from there
/// and taken away: half of what passing a message on takes, unless it is done while we read.
void RingChannel::expect_to_write() {
  os::own_lines(end_.next_room(std::exchange(last_written_, 0)));
}

os::Sys<Channel::Read> RingChannel::nothing_there(std::span<std::byte> into,
                                                  std::vector<Descriptor>* descriptors) {
  if (end_.is_breached()) return os::failed(EPROTO);
  const auto ended = socket_.ended();
  if (!ended && !socket_.is_full()) return os::failed(EAGAIN);
  if (end_.is_readable()) return read(into, descriptors);  // published just before
  // The first one's byte is published before the next set is sent. Without it nobody would take
  // what further ones there are, and whoever sleeps at the socket would not sleep.
  if (!ended) return os::failed(EPROTO);
  if (*ended != 0) return os::failed(*ended);
  return Read{};
}

void RingChannel::revoke() {
  if (end_.revoke()) doorbell_.ring();
}

}  // namespace tincan::transport

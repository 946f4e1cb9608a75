#include "transport/moving_channel.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace tincan::transport {

void MovingChannel::add_ring(RingMemory memory, os::Doorbell ours, os::DoorbellListener theirs) {
  TINCAN_CHECK(!pair_);
  if (unread_) unread_->punch_out();  // by now the client has read it, or it never will
  unread_.reset();
  pair_ = std::make_unique<Pair>(socket_);
  pair_->ring.emplace(pair_->socket, socket_.fd(), std::move(memory), std::move(ours),
                      std::move(theirs));
}

MovingChannel::~MovingChannel() {
  if (unread_) unread_->punch_out();
  if (pair_ && pair_->ring && !pair_->left_to_peer) pair_->ring->memory().punch_out();
}

void MovingChannel::leave_ring_to_peer() {
  if (pair_) pair_->left_to_peer = true;
}

void MovingChannel::move_input() {
  pair_->awaits_move = false;
  // What the client published before we revoked is still to be read.
  input_ = pair_->ring ? Path::ring : Path::returning;
}

bool MovingChannel::fall_asleep(bool for_bytes, bool for_room) {
  if (!pair_ || !pair_->ring) return true;
  std::uint32_t what = 0;
  if (for_bytes && input_ == Path::ring && !pair_->we_revoked) what |= ring::sleeps_for_bytes;
  if (for_room && waits_for_ring_room()) what |= ring::sleeps_for_room;
  return what == 0 || pair_->ring->fall_asleep(what);
}

// Writing.

os::Sys<std::size_t> MovingChannel::write_beside(std::span<const std::byte> bytes,
                                                 std::span<const Descriptor> descriptors) {
  if (auto heard = hear_of_revoke(); !heard) return std::unexpected(heard.error());
  if (output_ == Path::ring) return pair_->ring->write(bytes, descriptors);
  if (auto flushed = flush(); !flushed) return std::unexpected(flushed.error());
  return socket_.write(bytes, descriptors);
}

/// Of the client, for only a server revokes: what it does not read any more goes to the socket
/// again.
os::Sys<void> MovingChannel::hear_of_revoke() {
  const auto revoked_at = pair_->socket.revoked_at();
  if (revoked_at && pair_->insists) return os::failed(ESTALE);
  if (!revoked_at || output_ != Path::ring) return {};
  if (pair_->ring->memory().was_taken()) return os::failed(EPROTO);
  if (!pair_->ring->end().ends_at(*revoked_at)) return os::failed(EPROTO);
  pair_->end = pair_->position = *revoked_at;
  output_ = Path::resending;
  return {};
}

os::Sys<void> MovingChannel::flush() {
  if (output_ == Path::socket) return {};
  if (auto heard = hear_of_revoke(); !heard) return heard;
  if (output_ != Path::resending) return {};
  if (!pair_->told) {
    if (auto sent = pair_->socket.send_revoke(pair_->end); !sent) return sent;
    pair_->told = true;
  }
  while (!pair_->we_revoked && pair_->position < pair_->ring->end().written()) {
    const auto rest = pair_->ring->end().published_from(pair_->position);
    const auto sent = socket_.write(rest, {});
    if (!sent) return std::unexpected(sent.error());
    pair_->position += *sent;
  }
  output_ = Path::socket;
  return {};
}

void MovingChannel::revoke() {
  TINCAN_CHECK(output_ == Path::ring);
  pair_->ring->revoke();
  pair_->we_revoked = true;
  pair_->awaits_move = input_ == Path::socket;
  pair_->end = pair_->position = pair_->ring->end().last_readable();
  output_ = Path::resending;
}

void MovingChannel::drop_ring() {
  if (pair_->ring) {
    // What a client has not read is still its own to read, for a while; else nothing is left of it.
    if (pair_->ring->end().is_drained_by_peer()) {
      pair_->ring->memory().punch_out_ring();
    } else if (pair_->we_revoked) {
      unread_ = std::make_unique<RingMemory>(std::move(pair_->ring->memory()));
    }
    pair_->ring.reset();
  }
  const bool over = input_ == Path::socket && output_ == Path::socket;
  if (over && !pair_->awaits_move) pair_.reset();
}

// Reading.

os::Sys<Channel::Read> MovingChannel::read_beside(std::span<std::byte> into,
                                                  std::vector<Descriptor>* descriptors) {
  if (input_ == Path::returning) return read_returning(into, descriptors);
  if (input_ == Path::belated) return read_belated(into, descriptors);
  if (pair_->ring->is_revoked_by_peer()) pair_->socket.has_news();  // its word is on the way
  auto read = pair_->ring->read(into, descriptors);
  if (read) {
    read->more = read->more || pair_->we_revoked || pair_->ring->is_revoked_by_peer() ||
                 pair_->socket.revoked_at();
    return read;
  }
  if (read.error().code != EAGAIN) return read;
  if (pair_->we_revoked) {
    input_ = Path::returning;
    return read_returning(into, descriptors);
  }
  if (!pair_->socket.revoked_at()) return read;
  // It has published nothing since it said so, and we have read all that it had.
  if (auto heard = hear_of_revoke(); !heard) return std::unexpected(heard.error());
  if (pair_->socket.next_set()) return os::failed(EPROTO);
  input_ = Path::socket;
  return socket_.read(into, descriptors);
}

/// Of the server: until the client says that it goes on, on the socket.
os::Sys<Channel::Read> MovingChannel::read_returning(std::span<std::byte> into,
                                                     std::vector<Descriptor>* descriptors) {
  RingSocket& socket = pair_->socket;
  socket.has_news();
  // Before it knew, it may have sent one set of descriptors more, which it does not send again.
  if (auto looked = socket.look_for_revoke(pair_->end); !looked) {
    return std::unexpected(looked.error());
  }
  if (!socket.revoked_at()) {
    const auto ended = socket.ended();
    if (!ended) return os::failed(EAGAIN);
    if (*ended != 0) return os::failed(*ended);
    return Read{};
  }
  // It answers our word, so before that was sent it is a guess.
  if (!pair_->told || *socket.revoked_at() != pair_->end) return os::failed(EPROTO);
  if (socket.next_set()) {
    input_ = Path::belated;
    pair_->position = pair_->end;
    return read_belated(into, descriptors);
  }
  input_ = Path::socket;
  return socket_.read(into, descriptors);
}

/// Up to the byte whose descriptors are here already, and then that byte alone, so that no others
/// come with it.
os::Sys<Channel::Read> MovingChannel::read_belated(std::span<std::byte> into,
                                                   std::vector<Descriptor>* descriptors) {
  const std::uint64_t until_there = *pair_->socket.next_set() - pair_->position;
  const std::uint64_t most = std::max<std::uint64_t>(until_there, 1);
  auto read = socket_.read(into.first(std::min<std::uint64_t>(into.size(), most)), descriptors);
  if (!read || read->bytes == 0) return read;
  pair_->position += read->bytes;
  if (until_there > 0) return read;
  read->descriptors_lost = pair_->socket.take_set(descriptors) || read->descriptors_lost;
  input_ = Path::socket;
  return read;
}

}  // namespace tincan::transport

#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "os/poller.h"
#include "protocol/session.h"
#include "session/connection_queue.h"
#include "session/lent_memory.h"
#include "session/quota.h"
#include "session/request_state.h"
#include "session/server_ring.h"
#include "session/views.h"
#include "transport/moving_channel.h"

namespace tincan::session {

class Connection;
class Loop;

/// A connection whose HELLO is awaited until then.
struct Handshake {
  Connection* connection;
  Moment deadline;
};

/// One client of a server, on one loop all its life.
///
/// It keeps no buffers of its own while nothing is unfinished: the loop lends them for a turn, so
/// that ten thousand idle connections cost ten thousand of these objects and no more.
class Connection final : private protocol::Events {
 public:
  Connection(Descriptor socket, Peer peer, const protocol::Settings& settings, Loop& loop);
  ~Connection() override;

  /// Reads once, hands whole calls to their handlers, and writes what came of it. `events` are
  /// those of epoll(7), edge-triggered: what they said stays true until a read finds otherwise.
  void handle(std::uint32_t events);
  /// The same without an event, for a loop that looks before it sleeps. False: nothing has come.
  bool look();
  /// Where the client says that it runs, when it waits at the socket.
  [[nodiscard]] std::uint32_t peer_cpu() const { return session_.peer_cpu(); }
  /// Writes what is to be written, without waiting, and asks to be told when there is room again.
  void flush();
  /// Puts the answer of `request` on the stream, with `text` unless it is a reply; `flush` is due.
  /// Without memory for it the connection closes, for half of it may be there.
  void answer(RequestState& request, RequestState::Answer& answer, std::string_view text) noexcept;
  /// False: too much is unread already, and the caller is told so instead.
  bool reply(RequestState& request, std::span<const std::byte> payload,
             std::vector<Descriptor>&& descriptors) noexcept;
  /// The same with memory that is handed over.
  bool reply_with_loan(RequestState& request, LentMemory& memory, std::uint64_t bytes,
                       std::vector<Descriptor>&& descriptors) noexcept;
  void fail(RequestState& request, const wire::Error& error) noexcept;
  /// The loop has taken `request` back: its bytes no longer count as held.
  void forget(RequestState& request);
  /// The payload of a request, which lies in the client's memory, is looked at no more.
  void end_view(const View& view) noexcept;
  /// Takes no more calls; `is_finished` once those taken are answered.
  void drain();
  /// Says why, if the peer listens, and closes.
  void close(wire::Reason reason, std::string_view text) noexcept;
  void close() noexcept;
  // Its ring: connection_ring.cc.

  /// What epoll says of the client's doorbell has this bit set in its tag.
  static constexpr std::uintptr_t doorbell_bit = 1;
  /// The client has rung.
  void rung();
  /// Says that nobody looks at the ring until it is rung. False: there is something now.
  [[nodiscard]] bool fall_asleep();
  /// The loop looks at it from `cpu`. Returns where the client says that it runs.
  std::uint32_t look_from(std::uint32_t cpu) {
    channel_.say_cpu(cpu);
    return channel_.peer_cpu();
  }
  /// Something is to come through its ring: bytes that are wanted now, or room for what is unsent.
  [[nodiscard]] bool awaits_ring() const { return wants_input() || wants_room(); }
  /// It has come.
  [[nodiscard]] bool is_ring_ready() {
    return (wants_input() && channel_.is_ring_readable()) ||
           (wants_room() && channel_.has_ring_room());
  }
  /// It is read after something else.
  void fetch_ahead() { channel_.fetch_ahead(); }
  /// For who looks at this ring alone, and finds it not ready now; none: it is not bytes alone that
  /// are awaited from it.
  [[nodiscard]] std::optional<ring::End::Watch> watch_ring() const {
    const bool for_bytes = wants_input() && !wants_room() && channel_.reads_from_ring();
    return for_bytes ? std::optional(channel_.watch()) : std::nullopt;
  }
  /// Takes the ring back when it was not used since the last time, or not even offered in time.
  void look_at_ring();
  /// Null without one.
  [[nodiscard]] ServerRing* ring() const { return ring_.get(); }
  /// Where the client's doorbell is heard, to be watched as long as the ring is.
  [[nodiscard]] int doorbell_fd() const { return channel_.doorbell_fd(); }

  /// In a child that a handler has forked, and returned in: nothing more happens here.
  void leave_to_parent();

  [[nodiscard]] bool is_closed() const { return closed_; }
  [[nodiscard]] bool is_greeted() const { return !session_.expects_hello(); }
  [[nodiscard]] int fd() const { return channel_.fd(); }
  [[nodiscard]] const Peer& peer() const { return peer_; }
  /// For the log.
  [[nodiscard]] std::string name() const;

  /// What epoll is to watch for, edge-triggered, while input is wanted.
  static constexpr std::uint32_t input_events = EPOLLIN | EPOLLRDHUP | EPOLLPRI;

  // Of the loop.
  std::uint32_t watched = 0;   ///< What epoll watches for.
  std::size_t place = 0;       ///< Among the loop's connections.
  bool registered = false;     ///< With epoll.
  Account* account = nullptr;  ///< Once the quota has counted it.
  Queued to_be_flushed{this};
  Queued to_be_read{this};
  Queued writes_later{this};  ///< Too many descriptors of ours are under way (F13).
  std::unique_ptr<Connection> buried_before;
  std::optional<std::list<Handshake>::iterator> handshake;  ///< While HELLO is awaited.

 private:
  Moment now() override;
  void on_hello() override;
  void on_call(protocol::IncomingCall&& call) override;
  bool on_batch(const protocol::IncomingBatch& batch) override;
  void on_expired() override;
  bool may_hold(std::uint64_t bytes) override;
  void on_cancel(void* tag) override;
  void on_end(protocol::OutgoingCall&, Failure*) override {}
  void on_drain() override {}
  void on_loans_wanted() override { takes_loans_ = true; }
  void on_loan(std::uint64_t number, const wire::HandedOver& memory, Descriptor&& file) override;
  void on_loan_over(std::uint64_t number) override { views_->end(number); }
  const char* on_upgrade(std::uint64_t id, const wire::Upgrade& step,
                         std::vector<Descriptor>&& descriptors) override;

  const char* take_wish(std::uint64_t id, const wire::Upgrade& wish);
  const char* take_larger_wish(std::uint64_t id, const wire::Upgrade& wish);
  [[nodiscard]] std::expected<void, std::string> take_place_for_larger();
  void grant_ring(const ServerRing::Wish& wish);
  void grant_next();
  void take_ring_back();
  void end_wish();
  const char* take_offer(const wire::Upgrade& offer, std::vector<Descriptor>&& descriptors);
  const char* take_move();
  void refuse_ring(std::uint64_t id, std::string_view reason);
  void move_output();
  void tend_ring();
  void give_ring_back();
  void drop_ring();
  void fill(RequestState& request, protocol::IncomingCall& call);
  // connection_loans.cc
  void find_out_loans();
  [[gnu::noinline]] bool open_view(const protocol::IncomingCall& call, HeldView& view,
                                   Views::Refusal& refusal);
  protocol::Delivery put_reply_with_loan(RequestState& request, LentMemory& memory,
                                         std::uint64_t bytes,
                                         std::vector<Descriptor>&& descriptors);
  [[nodiscard]] bool wants_input() const { return session_.wants_input() && !input_ended_; }
  /// It writes as soon as there is some.
  [[nodiscard]] bool wants_room() const {
    return session_.unsent_bytes() > 0 && !cannot_write_ && !writes_later.is_queued();
  }
  [[nodiscard]] bool wants_descriptors() const {
    return accepts_descriptors_ || takes_loans_ || ring_ != nullptr;
  }
  bool read();
  void take(std::span<const std::byte> bytes);
  void take_unread();
  [[nodiscard]] std::optional<std::size_t> receive(std::span<const std::byte> bytes);
  void write();
  void drop_output();
  bool put_reply(RequestState& request, std::span<const std::byte> payload,
                 std::vector<Descriptor>&& descriptors);
  void put_error(RequestState& request, const wire::Error& error,
                 std::atomic<std::uint64_t>& count) noexcept;
  void decline(RequestState& request, std::string_view text) noexcept;
  [[nodiscard]] wire::Reason reason_to_decline(const RequestState& request) const;
  void settle_charge();
  void keep_charge_of_requests();
  void abandon(RequestState& request);
  void borrow_room();
  void return_room();
  void end_of_input();
  void breach(const Failure& failure);
  void close_if_finished();
  void count_delivery(protocol::Delivery delivery, bool is_error);

  transport::MovingChannel channel_;
  std::unique_ptr<ServerRing> ring_;
  Peer peer_;
  Loop& loop_;
  protocol::Session session_;
  std::unique_ptr<Views> views_;     ///< What it has handed over; null: nothing.
  std::shared_ptr<LoanPool> loans_;  ///< What it is lent; null: nothing.
  const bool accepts_descriptors_;
  bool takes_loans_ = false;  ///< Descriptors may come with HANDOVER.
  bool knows_loans_ = false;  ///< Whether it is lent anything.
  bool closing_ = false;      ///< It is being told why; what cannot be written is no news any more.
  bool closed_ = false;
  bool readable_ = false;   ///< epoll said so, and no read has drained it since.
  bool read_on_ = false;    ///< Short reads do not drain it: an end or a byte out of band is ahead.
  bool peer_gone_ = false;  ///< It has closed or died.
  bool input_ended_ = false;
  bool cannot_write_ = false;
  bool draining_ = false;
  bool receiving_ = false;
  Buffer unread_;                    ///< Received, and not a whole frame, or more than wanted now.
  std::size_t unread_begin_ = 0;     ///< What was before has been decoded.
  std::uint64_t charged_bytes_ = 0;  ///< To the account.
  RequestState* requests_ = nullptr;
};

}  // namespace tincan::session

#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "protocol/session.h"
#include "simulation/stream.h"

namespace tincan::simulation {

/// What one universe is like; all of it drawn from its seed.
struct Universe {
  explicit Universe(std::uint64_t seed);

  Random random;
  Weather weather;
  bool kills;  ///< Ends die, and new connections follow.
  bool drains;
  bool gives_up;
  bool expires;  ///< Calls have deadlines that pass.
  bool large;    ///< Some payloads are up to 300 KiB.
  std::uint32_t calls_in_flight_max;
  std::uint32_t descriptors_max;
  std::uint64_t incoming_bytes_max;
  std::int64_t clock_offset;
  Moment now{1'000'000'000};
  std::vector<std::string> violations;

  void expect(bool holds, const std::string& what) {
    if (!holds) violations.push_back(what);
  }
};

/// A thing to be done by the other side exactly once, or at least not twice.
struct Job {
  enum class State { idle, in_flight, replied, declared, sent, not_sent, unknown };

  explicit Job(int job_number) : number(job_number), method(std::to_string(job_number)) {}
  int number;
  std::string method;
  std::string payload;
  std::size_t descriptors = 0;
  bool one_way = false;
  bool may_expire = false;
  State state = State::idle;
  std::unique_ptr<protocol::OutgoingCall> call;

  [[nodiscard]] bool is_over() const { return state != State::idle && state != State::in_flight; }
};

/// One process: it has jobs for the other and runs those it is given, over one connection after
/// another. It does with a session what a client and a server do with theirs.
class Peer final : public protocol::Events {
 public:
  Peer(Universe& universe, int end);
  Peer(const Peer&) = delete;
  ~Peer() override;

  void connect(Connection& connection);
  [[nodiscard]] bool is_connected() const { return session_ != nullptr; }
  /// The process dies, or closes: nothing it has read or not read counts any more.
  void die();
  void drain() { session_->drain(); }

  /// One thing at random; in calm weather, all there is to do. True when it did something.
  bool read();
  bool write();
  bool start_a_job();
  bool answer_one();
  void give_up_one();
  [[nodiscard]] bool is_finished() const;

  /// On its own clock: the two may live in different time namespaces.
  Moment now() override {
    return Moment(universe_.now.nanoseconds() - (end_ == 0 ? universe_.clock_offset : 0));
  }
  void on_hello() override {}
  void on_call(protocol::IncomingCall&& call) override;
  void on_cancel(void*) override {}
  void on_end(protocol::OutgoingCall& outgoing, Failure* failure) override;
  void on_drain() override {}

  std::deque<Job> jobs;
  std::multiset<int>
      ran;  ///< The ledger: jobs of the other side, entered before they are answered.

 private:
  struct Held {
    std::uint64_t id;
    int number;
    std::size_t bytes;
    bool one_way;
  };
  void connection_ended(const char* why);
  void settle(Job& job, Job::State state);
  void check_order(const protocol::IncomingCall& call);
  Job& job_of(const protocol::OutgoingCall& call);

  Universe& universe_;
  PayloadPool* const pool_;
  protocol::Settings settings_;  ///< Of the session, which it outlives.
  const int end_;
  Connection* connection_ = nullptr;
  std::unique_ptr<protocol::Session> session_;
  std::vector<std::byte> unread_;
  std::deque<Held> held_;
  bool cannot_write_ = false;
  std::uint64_t last_small_ = 0;
};

/// The payload of a job, and of its reply: different for each.
std::string content(int number, std::size_t bytes);

}  // namespace tincan::simulation
